// Boxes around faces, with labels, on a canvas over or in a picture of the video.

import { boxAt, firstLate, windowAt } from "./timeline.js";
import { expressionPhrase } from "./words.js";

/**
 * Draw the boxes of people at a time.
 *
 * `scale` is from pixels of the video to those of the canvas, `width` the picture's width on the canvas, `unit` the size
 * of a label's pixel, and `full` says whose label includes the expression: all labels would cover each other.
 * `pictures` maps a track to its pictures for `pictureAt`, if the video itself cannot be shown.
 */
export function drawBoxes(context, { people, chosen, now, scale, width, unit = 1, full = () => true, pictures = null }) {
  context.font = `600 ${13 * unit}px system-ui, sans-serif`;
  const placed = [];
  const chosenLast = [...people].sort((one, other) => (one === chosen) - (other === chosen));
  for (const person of chosenLast) {
    for (const face of person.faces) {
      const box = boxAt(face.path, now)?.map((value) => value * scale);
      if (!box) continue;
      const picture = pictures && pictureAt(pictures.get(face.track), now);
      if (picture) drawPicture(context, picture, box);
      const shown = full(person) && windowAt(person.timeline, now)?.expression;
      const text = shown ? `${person.name}: ${expressionPhrase(shown)}` : person.name;
      drawBox(context, { box, text, width, unit, placed, strong: !chosen || person === chosen });
    }
  }
}

function drawBox(context, { box: [x, y, width, height], text, width: most, unit, placed, strong }) {
  context.lineWidth = (strong ? 3 : 1.5) * unit;
  context.strokeStyle = strong ? "#a9a3ff" : "#ffffffb0";
  context.beginPath();
  context.roundRect(x, y, width, height, 8 * unit);
  context.stroke();
  const wide = context.measureText(text).width + 14 * unit;
  const high = 24 * unit;
  const left = Math.max(0, Math.min(x, most - wide));
  let top = y > 28 * unit ? y - 28 * unit : y + height + 4 * unit;
  const covers = (other) => left < other.right && other.left < left + wide && top < other.bottom && other.top < top + high;
  for (let other = placed.find(covers); other; other = placed.find(covers)) top = other.bottom + unit;
  placed.push({ left, right: left + wide, top, bottom: top + high });
  context.fillStyle = strong ? "#14122ef0" : "#14122eb0";
  context.beginPath();
  context.roundRect(left, top, wide, high, 6 * unit);
  context.fill();
  context.fillStyle = "#ffffff";
  context.fillText(text, left + 7 * unit, top + 16.5 * unit);
}

// A picture is a square about the middle of the box, a little larger than its longer side.
function drawPicture(context, picture, [x, y, width, height]) {
  const side = 1.2 * Math.max(width, height);
  context.drawImage(picture, x + (width - side) / 2, y + (height - side) / 2, side, side);
}

/** Return the image of { time_s, image } that is nearest to a time, if it has been loaded. */
function pictureAt(pictures, time) {
  if (!pictures?.length) return null;
  const after = firstLate(pictures, ({ time_s }) => time_s >= time);
  const [one, other] = [pictures[Math.max(0, after - 1)], pictures[Math.min(after, pictures.length - 1)]];
  const { image } = time - one.time_s < other.time_s - time ? one : other;
  return image.complete && image.naturalWidth ? image : null;
}
