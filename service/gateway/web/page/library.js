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

  /** Read the store, again if another tab may have changed it, and delete old records. */
  async load() {
    try {
      this.#database ??= await opened();
    } catch {
      return; // nothing can be stored
    }
    this.#database.onclose = () => (this.#database = null);
    const before = new Map(this.#records);
    const all = await this.#request("readonly", (store) => store.getAll()).catch(() => []);
    for (const record of all) {
      if (record.added < Date.now() - KEPT_MS) this.forget(record.key);
      // A record that was changed meanwhile is newer than what was read.
      else if (this.#records.get(record.key) === before.get(record.key)) this.#records.set(record.key, record);
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
    this.#write(record);
    return record;
  }

  /** Return the record of an analysis, which may have come from elsewhere. */
  recordOf(id) {
    return this.of(id) ?? this.keep({ key: id, id });
  }

  forget(key) {
    this.#records.delete(key);
    this.#request("readwrite", (store) => store.delete(key)).catch(() => {});
  }

  /** Return the current record of a video, which another tab may have changed; undefined if it was deleted. */
  async latest(key) {
    if (!this.#database) return this.#records.get(key);
    return this.#request("readonly", (store) => store.get(key)).catch(() => this.#records.get(key));
  }

  /** Write a record; if there is no room for its file, without it: the user is asked for it again after a reload. */
  async #write(record) {
    const put = (one) => this.#request("readwrite", (store) => store.put(one));
    try {
      await put(record);
    } catch {
      const outdated = this.#records.get(record.key) !== record; // changed again, or deleted
      if (record.file && !outdated) await put({ ...record, file: null }).catch(() => {});
    }
  }

  /** Resolve to the result of a request when its transaction is complete: a quota fails a transaction, not its requests. */
  async #request(mode, ask) {
    if (!this.#database) return undefined;
    const transaction = this.#database.transaction("videos", mode);
    const request = ask(transaction.objectStore("videos"));
    await new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error);
    });
    return request.result;
  }
}

function opened() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("mien", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("videos", { keyPath: "key" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
