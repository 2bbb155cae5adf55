import assert from "node:assert/strict";
import { test } from "node:test";

import { settled } from "./browser.mjs";
import { page } from "./page.mjs";

const { Library } = await page("library");

/** Give the page an IndexedDB in which every transaction that writes a file fails when it is completed. */
function full() {
  const stored = new Map();
  const answered = (result, request = {}) => {
    setImmediate(() => {
      request.result = result;
      request.onsuccess?.();
    });
    return request;
  };
  const transaction = () => {
    const begun = { error: null };
    const ended = (change, fails = false) => {
      const request = answered([...stored.values()]);
      setImmediate(() => {
        if (fails) begun.onabort?.();
        else {
          change();
          begun.oncomplete?.();
        }
      });
      return request;
    };
    begun.objectStore = () => ({
      getAll: () => ended(() => {}),
      put: (record) => ended(() => stored.set(record.key, record), Boolean(record.file)),
      delete: (key) => ended(() => stored.delete(key)),
    });
    return begun;
  };
  const database = { transaction };
  globalThis.indexedDB = { open: () => answered(database) };
  return { database, stored };
}

async function loaded() {
  const library = new Library();
  await library.load();
  return library;
}

async function written() {
  for (let turn = 0; turn < 10; turn += 1) await settled();
}

test("a file that exceeds the browser's storage quota leaves its record", async () => {
  const { stored } = full();
  const library = await loaded();

  library.keep({ key: "big", name: "big.mp4", file: {} });
  await written();

  assert.deepEqual([...stored.values()].map(({ name, file }) => [name, file]), [["big.mp4", null]]);
});

test("a record without its file overwrites no newer one", async () => {
  const { stored } = full();
  const library = await loaded();

  library.keep({ key: "sent", file: {} });
  library.keep({ key: "sent", id: "one", file: null });
  library.keep({ key: "deleted", file: {} });
  library.forget("deleted");
  await written();

  assert.deepEqual([...stored.values()].map(({ key, id }) => [key, id]), [["sent", "one"]]);
});

test("a store that breaks off leaves the page working", async () => {
  const { database } = full();
  const library = await loaded();
  database.transaction = () => {
    throw new DOMException("The connection is closing.", "InvalidStateError");
  };
  library.keep({ key: "one" });

  library.forget("one");
  await written();

  assert.deepEqual(library.all, []);
});

test("what is changed while the store is read again stays changed", async () => {
  const { stored } = full();
  stored.set("a", { key: "a", added: Date.now(), name: "before" });
  const library = await loaded();

  const again = library.load();
  library.keep({ key: "a", name: "after" });
  await again;

  assert.equal(library.all[0].name, "after");
});
