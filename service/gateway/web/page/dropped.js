// The videos among files and folders that are dropped or chosen.

const NAMES = /\.(mp4|m4v|mov|qt|3gp|3g2|mkv|webm|avi)$/i;

const isVideo = (file) => file.type.startsWith("video/") || NAMES.test(file.name);

/** Return the videos among files. */
export const videosOf = (files) => files.filter(isVideo);

/** Return the videos of a drop, with all that is in its folders. */
export async function videosIn({ items, files }) {
  // The entries must be read before the first await: the drop is empty afterwards.
  const entries = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const plain = [...files];
  if (!entries.length) return plain.length === 1 ? plain : videosOf(plain);
  const found = (await Promise.all(entries.map(filesIn))).flat();
  // A single file is uploaded whatever its name: the service says what is wrong with it.
  return entries.length === 1 && entries[0].isFile ? found : videosOf(found);
}

async function filesIn(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const inside = [];
  for (;;) {
    // It returns about a hundred at a time, and none at the end.
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break;
    inside.push(...some);
  }
  return (await Promise.all(inside.map(filesIn))).flat();
}
