// The browser's store of videos: names, thumbnails, notes, and files that are not uploaded yet.
//
// A record: { key: idempotency key, id: of the analysis or null, name, size, modified, added (ms), thumbnail: data URL,
// file: Blob until it is uploaded, faces and pictures: its options, notes: { names, joined, markers } }. Where the browser
// keeps nothing (IndexedDB is refused in some private windows), the page works, but only until it is closed.

const KEPT_MS = 30 * 24 * 3600 * 1000;

/** Return a unique id. */
export const newKey = () => crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;

const noNotes = () => ({ names: {}, joined: {}, markers: [] });

export class Library {
  #records = new Map();
  #database = null;

  /** Read the store, and delete old records. */
  async load() {
    try {
      this.#database = await opened();
      const all = await settled(this.#store("readonly").getAll());
      for (const record of all) {
        if (record.added < Date.now() - KEPT_MS) this.forget(record.key);
        else this.#records.set(record.key, record);
      }
    } catch {
      this.#database = null;
    }
  }

  get all() {
    return [...this.#records.values()];
  }

  of(id) {
    return this.all.find((record) => record.id === id);
  }

  /** Keep a record, or changes to one. */
  keep(change) {
    const record = { id: null, name: "", added: Date.now(), thumbnail: "", notes: noNotes(), ...this.#records.get(change.key), ...change };
    this.#records.set(record.key, record);
    // If there is no room for a file, the user is asked for it again after a reload.
    this.#write(record).catch(() => record.file && this.#write({ ...record, file: null }).catch(() => {}));
    return record;
  }

  /** Return the record of an analysis, which may have come from elsewhere. */
  recordOf(id) {
    return this.of(id) ?? this.keep({ key: id, id });
  }

  forget(key) {
    this.#records.delete(key);
    if (this.#database) this.#store("readwrite").delete(key);
  }

  /** Return the current record of a video, which another tab may have changed; undefined if it was deleted. */
  async latest(key) {
    return this.#database ? await settled(this.#store("readonly").get(key)) : this.#records.get(key);
  }

  async #write(record) {
    if (this.#database) await settled(this.#store("readwrite").put(record));
  }

  #store(mode) {
    return this.#database.transaction("videos", mode).objectStore("videos");
  }
}

function opened() {
  const request = indexedDB.open("mien", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("videos", { keyPath: "key" });
  return settled(request);
}

function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
