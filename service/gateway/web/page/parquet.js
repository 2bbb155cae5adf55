// A table as Parquet, with the types of its columns. Pure functions.

import { parquetWriteBuffer } from "./hyparquet-writer/hyparquet-writer.js";

const WHOLE = ["track", "person", "first_frame", "last_frame"];
const TEXT = ["file", "note", "expression", "name"];

/** Return rows of texts, the first of them the columns' names, as the bytes of a Parquet file; empty cells are null. */
export function parquetOf([head, ...rows]) {
  const columnData = head.map((name, at) => {
    const type = TEXT.includes(name) ? "STRING" : WHOLE.includes(name) ? "INT32" : "DOUBLE";
    const data = rows.map((row) => (row[at] === "" ? null : type === "STRING" ? row[at] : Number(row[at])));
    return { name, data, type, nullable: true };
  });
  return parquetWriteBuffer({ columnData });
}
