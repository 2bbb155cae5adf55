// Recognise videos that many browsers cannot play.

const ENDS = 1 << 20; // MP4 and QuickTime keep their index at the start or at the end

/** Return "HEVC" for MP4 and QuickTime videos of that codec, as phones film, else "". */
export async function codecOf(file) {
  const parts = [file.slice(0, ENDS), file.slice(Math.max(0, file.size - ENDS))];
  const texts = await Promise.all(parts.map(async (part) => new TextDecoder("latin1").decode(await part.arrayBuffer())));
  return texts.some((text) => /ftyp|moov/.test(text)) && texts.some((text) => /hvc1|hev1/.test(text)) ? "HEVC" : "";
}
