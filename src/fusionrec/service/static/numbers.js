// Numbers as people read them: from five digits on they are grouped, so 1987 and 12,500.

const FORMAT = new Intl.NumberFormat("en", { maximumFractionDigits: 2, useGrouping: "min2" });

export const number = (value) => FORMAT.format(value);
