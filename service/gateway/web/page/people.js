// People: the appearances that the analysis found, joined and named by the viewer. Pure functions.
//
// An appearance is a face that was followed without a break: an entry of `faces`, with its `track`. `notes` are the
// viewer's: `names` by the person's first track, `joined` maps an appearance to the first track of its person.

/** Return the name of a person whom the viewer has not named. */
export const defaultName = (track) => `Person ${track + 1}`;

/** Return the people: { track, tracks, name, faces, timeline, coverage, personality }, in order of appearance. */
export function peopleOf(faces, { names = {}, joined = {} } = {}) {
  const people = new Map();
  for (const face of faces) {
    const track = joined[face.track] ?? face.track;
    if (!people.has(track)) people.set(track, []);
    people.get(track).push(face);
  }
  return [...people].map(([track, parts]) => ({
    track,
    tracks: parts.map((face) => face.track),
    name: names[track] || defaultName(track),
    faces: parts,
    timeline: parts.flatMap((face) => face.timeline).sort((one, other) => one.start_s - other.start_s),
    coverage: parts.reduce((sum, face) => sum + (face.coverage ?? 0), 0),
    personality: weighted(parts.filter((face) => face.personality)),
  }));
}

function weighted(faces) {
  if (!faces.length) return undefined;
  const all = faces.reduce((sum, face) => sum + face.coverage, 0) || 1;
  const mean = (trait) => faces.reduce((sum, face) => sum + face.personality[trait] * face.coverage, 0) / all;
  return Object.fromEntries(Object.keys(faces[0].personality).map((trait) => [trait, faces.length > 1 ? mean(trait) : faces[0].personality[trait]]));
}

/** Return whether two people are visible at the same time, so that they cannot be the same person. */
export const together = (one, other) =>
  one.faces.some((face) => other.faces.some((another) => face.start_s < another.end_s && another.start_s < face.end_s));

/** Return the greatest number of faces that are visible at one time: there are at least as many people. */
export const atOnce = (faces) =>
  Math.max(0, ...faces.map((face) => faces.filter((one) => one.start_s <= face.start_s && face.start_s < one.end_s).length));

/** Return the number of people as text, or of appearances if some may be of the same person. */
export function howMany(people) {
  const count = people.length;
  if (!count) return "No face was found";
  if (count === 1) return "One person";
  const least = atOnce(people.flatMap((person) => person.faces));
  const joined = people.some((person) => person.faces.length > 1);
  return joined || least >= count ? `${count} people` : `${count} appearances`;
}

/** Return the notes with two people joined; the name of the first stays, else that of the second. */
export function joinedNotes(notes, person, other) {
  const [into, from] = person.track < other.track ? [person, other] : [other, person];
  const names = { ...notes.names };
  const name = names[into.track] || names[from.track];
  delete names[from.track];
  if (name) names[into.track] = name;
  const joined = { ...notes.joined };
  for (const track of from.tracks) joined[track] = into.track;
  return { ...notes, names, joined };
}

/** Return the notes with a person's appearances separated again. */
export function partedNotes(notes, person) {
  const joined = { ...notes.joined };
  for (const track of person.tracks) delete joined[track];
  return { ...notes, joined };
}
