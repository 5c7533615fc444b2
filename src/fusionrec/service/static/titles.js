// Titles as people say them: catalogs put an article last, so that titles sort well.

const ARTICLES = "The|A|An|Le|La|Les|L'|L’|Un|Une|Il|Lo|I|Gli|El|Los|Las|Der|Die|Das|Ein|Eine|De|Het|Een|Den|Det|O|Os|As";
const LAST = new RegExp(`^(.+), (${ARTICLES})((?: \\(.*\\))?)$`);

/** "Matrix, The" as "The Matrix"; what stands in brackets stays at the end. */
export function natural(title) {
  return title.replace(LAST, (_, rest, article, brackets) =>
    `${article}${/['’]$/.test(article) ? "" : " "}${rest}${brackets}`);
}

/** The same for all titles of an answer of the service, and in the reasons that name them. */
export function withNaturalTitles(found) {
  if (Array.isArray(found)) return found.map(withNaturalTitles);
  if (!found || typeof found !== "object") return found;
  const made = {};
  for (const [name, value] of Object.entries(found)) {
    made[name] = name === "title" && typeof value === "string" ? natural(value) : withNaturalTitles(value);
  }
  if (found.reason?.text) {
    for (const { title } of found.reason.items) {
      made.reason.text = made.reason.text.replaceAll(title, () => natural(title));
    }
  }
  if (found.id && typeof found.text === "string") made.text = natural(found.text); // a suggestion
  return made;
}
