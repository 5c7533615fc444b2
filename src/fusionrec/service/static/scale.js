// How numbers read, and what the scale of a schema's ratings offers.

const FORMAT = new Intl.NumberFormat("en", { maximumFractionDigits: 2, useGrouping: "min2" });
const MOST = 11; // ratings that are offered side by side

/** A number as people read it: from five digits on they are grouped, so 1987 and 12,500. */
export const number = (value) => FORMAT.format(value);

/** Whether the scale knows two ratings alone: one that is a like, and one that is not. */
export const isThumbs = ({ low, high, step }) => Math.round((high - low) / step) === 1;

/** The ratings that the scale offers, the lowest first; null where they are too many to list. */
export function steps({ low, high, step }) {
  const count = Math.round((high - low) / step) + 1;
  return count > MOST ? null : Array.from({ length: count }, (_, n) => exact(low + n * step));
}

/** A rating without the dust of binary fractions. */
const exact = (value) => Number(value.toFixed(6));

/** Whether the scale reads as so many stars, whole or in halves. */
export function isStars({ low, high, step }) {
  return low === step && high <= 7 && (step === 1 || step === 0.5) && Number.isInteger(high);
}

/** A rating in the words of its scale, such as "4 of 5". */
export function inWords(value, scale) {
  if (isThumbs(scale)) return value === scale.high ? "like" : "not for me";
  return `${number(value)} ${within(scale)}`;
}

/** What stands behind a figure on the scale: the highest one, or both ends where it goes below 0. */
export function within({ low, high }) {
  return low < 0 ? `on ${number(low)} to ${number(high)}` : `of ${number(high)}`;
}

/** A predicted rating, with as many digits as tell something on its scale. */
export function figure(value, { low, high }) {
  const span = high - low;
  return value.toFixed(span >= 50 ? 0 : span >= 2 ? 1 : 2);
}
