/*!
 * Coverslip recorder for OpenSeadragon 3 to 6: records how a slide is read in a web page.
 *
 * MIT License
 *
 * Copyright (c) 2026 Coverslip contributors
 *
 * Permission is hereby granted, free of charge, to any person obtaining a copy of this software
 * and associated documentation files (the "Software"), to deal in the Software without
 * restriction, including without limitation the rights to use, copy, modify, merge, publish,
 * distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the
 * Software is furnished to do so, subject to the following conditions:
 *
 * The above copyright notice and this permission notice shall be included in all copies or
 * substantial portions of the Software.
 *
 * THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING
 * BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
 * NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM,
 * DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
 * OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
 *
 *   <script src="openseadragon.min.js"></script>
 *   <script src="coverslip-recorder.js"></script>
 *   const recorder = new CoverslipRecorder({
 *     viewer, slide: {name: "a.svs", mpp_um: [0.25, 0.25]}, reader: "reader-7",
 *     server: "http://127.0.0.1:8790/sessions", token: "...",
 *   });
 *
 * docs/record-anywhere.md of Coverslip describes the options and the format.
 */
(function (root, make) {
  "use strict";
  const made = make(root);
  if (typeof module === "object" && module.exports) module.exports = made;
  else root.CoverslipRecorder = made;
})(typeof globalThis === "object" ? globalThis : this, function (root) {
  "use strict";

  const VERSION = 1; // of the format
  const KEEP_MS = 250; // what happened is in the browser's storage within this time
  const SEND_MS = 1000; // and at the server within this, while it answers
  const IDLE_MS = 10000; // without any input the reader is idle
  const INPUT_MS = 1000; // input that is no other event is recorded this often at most
  const MOST_SENT_BYTES = 1 << 20; // in one request
  const MOST_TAIL_BYTES = 48 << 10; // that a page which is being left may still send
  const MOST_WAIT_MS = 30000; // between two tries to reach the server
  const ORPHAN_MS = 120000; // without locks: a session that no page touched for so long
  const DATABASE = "coverslip-recorder";
  const CONSENT_KEY = "coverslip-recorder-consent";

  // Geometry ------------------------------------------------------------------------------------

  /**
   * The view that is on screen now, in pixels of the tile source, times `scale`.
   *
   * A point p of the slide is on screen at M R (p - center) / downsample + size / 2: R turns
   * clockwise by rotation_deg, M mirrors left and right where mirrored is set.
   */
  function viewOf(OSD, viewer, item, scale) {
    const viewport = viewer.viewport;
    if (!viewport) return null;
    const size = viewport.getContainerSize();
    if (!(size.x > 0 && size.y > 0)) return null;
    const toImage = (x, y) => {
      const point = viewport.pointFromPixel(new OSD.Point(x, y), true);
      return item.viewportToImageCoordinates(point, true);
    };
    const center = toImage(size.x / 2, size.y / 2);
    const right = toImage(size.x / 2 + 100, size.y / 2);
    const dx = (right.x - center.x) / 100, dy = (right.y - center.y) / 100;
    const downsample = Math.hypot(dx, dy) * scale;
    if (!(downsample > 0 && isFinite(downsample))) return null;
    // OpenSeadragon's own conversions leave mirroring out: the angle is that of the slide itself.
    let rotation = -Math.atan2(dy, dx) * 180 / Math.PI;
    let mirrored = Boolean(viewport.getFlip && viewport.getFlip());
    let x = center.x;
    if (item.getFlip && item.getFlip()) { // the image is mirrored in itself
      x = item.getContentSize().x - x;
      mirrored = !mirrored;
      rotation = -rotation;
    }
    rotation = Math.round(((rotation % 360) + 360) % 360 * 1e6) / 1e6 % 360;
    const width = size.x * downsample, height = size.y * downsample;
    return {
      x: x * scale - width / 2, y: center.y * scale - height / 2, width, height,
      rotation_deg: rotation, mirrored, downsample, screen: [size.x, size.y],
    };
  }

  /** The place on the slide under a pixel of the viewer. */
  function slidePoint(view, px, py) {
    const angle = view.rotation_deg * Math.PI / 180;
    const cos = Math.cos(angle), sin = Math.sin(angle), mirror = view.mirrored ? -1 : 1;
    const dx = (px - view.screen[0] / 2) * view.downsample * mirror;
    const dy = (py - view.screen[1] / 2) * view.downsample;
    return [
      view.x + view.width / 2 + cos * dx + sin * dy,
      view.y + view.height / 2 - sin * dx + cos * dy,
    ];
  }

  const viewEvent = (view, cause) => [
    "view", view.x, view.y, view.width, view.height, view.rotation_deg, view.mirrored,
    view.downsample, null, null, cause, false,
  ];

  function sameView(a, b) {
    return a !== null && b !== null && a.x === b.x && a.y === b.y && a.width === b.width &&
      a.height === b.height && a.rotation_deg === b.rotation_deg && a.mirrored === b.mirrored;
  }

  // Storage: IndexedDB, else memory --------------------------------------------------------------

  const asked = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

  /** Sessions by id, and their lines in chunks of [session, number of the first]. */
  class Store {
    static async open() {
      const store = new Store();
      try {
        const request = root.indexedDB.open(DATABASE, 1);
        request.onupgradeneeded = () => {
          request.result.createObjectStore("sessions", {keyPath: "id"});
          request.result.createObjectStore("chunks", {keyPath: ["session", "first"]});
        };
        store._database = await asked(request);
        store._database.onversionchange = () => store._database.close();
      } catch (error) { // private windows of some browsers have none
        store._database = null;
        store._sessions = new Map();
        store._chunks = new Map();
      }
      return store;
    }

    get isKept() { return this._database !== null; }

    /** Put a session, and a chunk of its lines where there is one; resolves once it is kept. */
    put(session, chunk) {
      if (!this._database) {
        this._sessions.set(session.id, {...session});
        if (chunk) this._chunks.set(`${chunk.session}/${chunk.first}`, chunk);
        return Promise.resolve();
      }
      return this._change((sessions, chunks) => {
        sessions.put(session);
        if (chunk) chunks.put(chunk);
      });
    }

    async sessions() {
      if (!this._database) return [...this._sessions.values()];
      return asked(this._database.transaction("sessions").objectStore("sessions").getAll());
    }

    /** The chunks of a session from an event on, in order; `most` of them. */
    async chunks(id, from = 0, most = 1000000) {
      if (!this._database) {
        return [...this._chunks.values()]
          .filter((chunk) => chunk.session === id && chunk.first + chunk.lines.length > from)
          .sort((a, b) => a.first - b.first).slice(0, most);
      }
      const store = this._database.transaction("chunks").objectStore("chunks");
      // The chunk that holds the event may begin before it.
      const before = await asked(store.getAllKeys(IDBKeyRange.bound([id, 0], [id, from])));
      const first = before.length ? before[before.length - 1] : [id, 0];
      const found = await asked(
        store.getAll(IDBKeyRange.bound(first, [id, Number.MAX_SAFE_INTEGER]), most + 1));
      return found.filter((chunk) => chunk.first + chunk.lines.length > from).slice(0, most);
    }

    remove(id) {
      if (!this._database) {
        this._sessions.delete(id);
        for (const [key, chunk] of this._chunks) if (chunk.session === id) this._chunks.delete(key);
        return Promise.resolve();
      }
      return this._change((sessions, chunks) => {
        sessions.delete(id);
        chunks.delete(IDBKeyRange.bound([id, 0], [id, Number.MAX_SAFE_INTEGER]));
      });
    }

    _change(change) {
      return new Promise((resolve, reject) => {
        // "strict": it is on the disk, not in a cache, when it is said to be kept.
        const transaction = this._database.transaction(
          ["sessions", "chunks"], "readwrite", {durability: "strict"});
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(transaction.error);
        change(transaction.objectStore("sessions"), transaction.objectStore("chunks"));
        if (transaction.commit) transaction.commit();
      });
    }
  }

  // What is sent ---------------------------------------------------------------------------------

  /** The header line of a session as it is known now. */
  const headerLine = (session) => JSON.stringify({
    coverslip: VERSION, session: session.id, ...session.about,
    elapsed_ns: session.elapsed_ns, closed: session.closed,
  });

  class Refused extends Error {
    constructor(status, sentence, next) {
      super(sentence);
      this.status = status;
      this.next = next;
    }
  }

  /** Send lines; resolves to the number of the event that is wanted next. */
  async function post(server, token, session, lines, keepalive) {
    const answer = await fetch(server, {
      method: "POST",
      headers: {"Authorization": `Bearer ${token}`, "Content-Type": "application/jsonl"},
      body: [headerLine(session), ...lines, ""].join("\n"),
      credentials: "omit", redirect: "error", keepalive: Boolean(keepalive),
    });
    let content = {};
    try { content = await answer.json(); } catch (error) { /* a proxy may answer anything */ }
    if (!answer.ok) {
      throw new Refused(answer.status, content.error || `The server answered ${answer.status}.`,
        content.next);
    }
    return content.next;
  }

  /** Send what a stored session holds from `session.sent` on; true once all of it is there. */
  async function sendStored(store, server, token, session) {
    const chunks = await store.chunks(session.id, session.sent, 64);
    const lines = [];
    let size = 0;
    for (const chunk of chunks) {
      const fresh = chunk.lines.slice(Math.max(0, session.sent - chunk.first));
      for (const line of fresh) {
        if (size + line.length > MOST_SENT_BYTES) break;
        size += line.length + 1;
        lines.push(line);
      }
      if (size + 1024 > MOST_SENT_BYTES) break;
    }
    const isLast = session.sent + lines.length >= session.next;
    // Only with its last event is a session told to be closed.
    const about = isLast ? session : {...session, closed: false};
    session.sent = await post(server, token, about, lines);
    return isLast && session.sent >= session.next;
  }

  // The recorder ---------------------------------------------------------------------------------

  /**
   * Records one viewer, from the moment that the reader agrees.
   *
   * Options: viewer, slide {name, width_px, height_px, mpp_um, objective_power}, reader, server,
   * token, item (which image of the world, 0), consent (a function that asks in the page's own
   * way and resolves to {names} or null), indicator (false hides the sign; say it elsewhere),
   * onState (takes "asking", "on", "paused", "off" and a sentence).
   */
  class CoverslipRecorder {
    constructor(options) {
      const OSD = options.OpenSeadragon || root.OpenSeadragon;
      if (!options.viewer || !OSD) throw new Error("CoverslipRecorder needs a viewer.");
      if (options.server && !isSafe(options.server)) {
        throw new Error("CoverslipRecorder sends over https, or http to this machine alone.");
      }
      this._OSD = OSD;
      this._options = options;
      this._viewer = options.viewer;
      this._session = null; // as stored
      this._lines = []; // not yet stored
      this._view = null;
      this._cause = "open";
      this._state = "off";
      this._ends = [];
      this._failures = 0;
      this._sendAt = 0;
      this._store = null;
      this._said = "";
      this._work = Promise.resolve();
      this.ready = this._start();
    }

    get state() { return this._state; }

    /** The id of the session that is recorded; null where none is. */
    get session() { return this._session && this._session.id; }

    /** Record nothing until `resume`. */
    pause() {
      if (this._state !== "on") return;
      this._push(["pause", true]);
      this._show("paused");
    }

    resume() {
      if (this._state !== "paused") return;
      this._show("on");
      this._push(["pause", false]);
      this._tellFocus(true);
      this._tellWindow();
      this._view = null;
      this._capture("other");
    }

    /** End the session; resolves once it is kept, and sent where the server answers. */
    async stop() {
      this._show("off");
      await this._end();
      for (const end of this._ends.splice(0)) end();
      if (this._sign) this._sign.remove();
    }

    /** All of a session as one file of lines, for `coverslip sessions import`. */
    async text(id) {
      await this._keep();
      const store = await this._opened();
      const wanted = id || this.session || this._lastId;
      const session = (await store.sessions()).find((each) => each.id === wanted);
      if (!session) throw new Error("There is no such session in this browser.");
      const chunks = await store.chunks(wanted);
      return [headerLine(session), ...chunks.flatMap((chunk) => chunk.lines), ""].join("\n");
    }

    /** Let the browser save a session as a file. */
    async download(id) {
      const text = await this.text(id);
      const name = `coverslip-${id || this.session || this._lastId}.jsonl`;
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([text], {type: "application/jsonl"}));
      link.download = name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    }

    /** What this browser keeps: [{id, events, sent, closed}], such as what could not be sent. */
    async sessions() {
      const store = await this._opened();
      return (await store.sessions()).map(
        ({id, next, sent, closed}) => ({id, events: next, sent, closed}));
    }

    /** Delete a session from this browser. */
    async remove(id) { await (await this._opened()).remove(id); }

    // -------------------------------------------------------------------------------------------

    async _opened() {
      if (!this._store) this._store = await Store.open();
      return this._store;
    }

    async _start() {
      await this._opened();
      this._show("asking");
      this._consent = await this._ask();
      if (!this._consent) {
        this._show("off");
        return;
      }
      this._makeSign();
      this._show("on", this._store.isKept ? "" :
        "This browser keeps nothing: what is not sent is lost with the page.");
      this._listen();
      if (this._item()) this._begin();
      this._sendOrphans();
    }

    _item() {
      const world = this._viewer.world;
      const index = this._options.item || 0;
      return world && world.getItemCount() > index ? world.getItemAt(index) : null;
    }

    _begin() {
      const item = this._item(), given = this._options.slide || {};
      if (this._session || !item || this._state === "off") return; // one at a time
      const size = item.getContentSize();
      const slide = {
        name: String(given.name || nameOf(item)).slice(0, 255),
        width_px: Math.round(given.width_px || size.x),
        height_px: Math.round(given.height_px || size.y),
      };
      this._scale = slide.width_px / size.x;
      if (given.mpp_um) slide.mpp_um = [].concat(given.mpp_um, given.mpp_um).slice(0, 2);
      if (given.objective_power) slide.objective_power = given.objective_power;
      this._startMs = performance.now();
      this._startWall = Date.now();
      this._inputAt = -Infinity;
      this._lastInput = this._keptAt = 0;
      this._isIdle = false;
      this._hasFocus = null;
      this._view = null;
      const version = this._OSD.version ? this._OSD.version.versionStr : "";
      this._session = {
        id: newId(), next: 0, sent: 0, elapsed_ns: 0, closed: false, touched: Date.now(),
        about: {
          started_utc: new Date(this._startWall).toISOString(),
          utc_offset_min: -new Date(this._startWall).getTimezoneOffset(),
          reader: String(this._options.reader || "").slice(0, 64),
          viewer: `OpenSeadragon ${version}`.trim(),
          slide, consent: this._consent,
          screen: {
            screen_width_px: root.screen.width, screen_height_px: root.screen.height,
            window_width_px: this._viewer.container.clientWidth,
            window_height_px: this._viewer.container.clientHeight,
            device_pixel_ratio: root.devicePixelRatio || 1,
          },
        },
      };
      this._lastId = this._session.id;
      this._tail = []; // the last lines, from what was not sent on where that is not too much
      this._release = holdLock(this._session.id);
      this._tellWindow();
      this._tellFocus(true);
      this._capture("open");
    }

    /** End the session, keep it and send it. */
    async _end() {
      const session = this._session;
      if (!session) return;
      this._capture(this._cause);
      this._push(["close"]);
      session.closed = true;
      this._session = null;
      const lines = this._lines.splice(0);
      this._work = this._work.then(() => this._storeLines(session, lines)).catch(() => {});
      await this._work;
      if (this._options.server) await this._sendAll(session);
      this._release();
    }

    // Events ------------------------------------------------------------------------------------

    _listen() {
      const viewer = this._viewer, element = viewer.element;
      const on = (name, handler) => {
        viewer.addHandler(name, handler);
        this._ends.push(() => viewer.removeHandler(name, handler));
      };
      const listen = (target, names, handler) => {
        for (const name of names) {
          const options = {capture: true, passive: true};
          target.addEventListener(name, handler, options);
          this._ends.push(() => target.removeEventListener(name, handler, options));
        }
      };
      for (const [name, cause] of Object.entries({
        "canvas-scroll": "wheel", "canvas-drag": "drag", "canvas-pinch": "pinch",
        "canvas-key": "key", "canvas-double-click": "double-click", "navigator-click": "overview",
        "navigator-drag": "overview", "navigator-scroll": "overview", "home": "home",
      })) on(name, () => { this._cause = cause; });
      on("rotate", () => this._capture(this._recentInput() ? this._cause : "rotate"));
      on("flip", () => this._capture("flip"));
      on("resize", () => { this._tellWindow(); this._capture("resize"); });
      for (const name of ["update-viewport", "viewport-change", "animation", "animation-finish"]) {
        on(name, () => this._capture(this._recentInput() ? this._cause : "other"));
      }
      on("open", () => this._begin());
      on("close", () => { this._end(); });
      on("before-destroy", () => { this.stop(); });
      on("destroy", () => { this.stop(); });
      const world = viewer.world;
      // Without "open" where images are added one by one; the viewer first finds its place.
      const added = () => setTimeout(() => this._begin());
      const removed = () => { if (!this._item()) this._end(); };
      world.addHandler("add-item", added);
      world.addHandler("remove-item", removed);
      this._ends.push(() => {
        world.removeHandler("add-item", added);
        world.removeHandler("remove-item", removed);
      });
      listen(element, ["pointermove"], (event) => this._pointed(event));
      listen(element, ["pointerdown"], (event) => this._clicked(event));
      listen(root, ["keydown", "pointerdown", "pointermove", "wheel", "touchmove"],
        () => this._noteInput());
      listen(root, ["focus", "blur"], () => this._tellFocus(false));
      listen(root, ["pageshow"], (event) => { if (event.persisted) this._begin(); });
      listen(document, ["visibilitychange"], () => {
        this._tellFocus(false);
        if (document.visibilityState === "hidden") this._keep();
      });
      listen(root, ["pagehide"], () => this._left());
      let timer = setInterval(() => this._tick(), KEEP_MS);
      this._ends.push(() => clearInterval(timer));
    }

    _now() { return performance.now() - this._startMs; }

    _push(event) {
      const session = this._session;
      if (!session || this._state === "off") return;
      const at = this._now();
      session.elapsed_ns = Math.max(session.elapsed_ns, Math.round(at * 1e6));
      const line = JSON.stringify(
        [session.next, session.elapsed_ns, Date.now() - this._startWall, event]);
      this._lines.push(line);
      this._tail.push(line);
      session.next += 1;
    }

    _capture(cause) {
      const item = this._item();
      if (!this._session || this._state !== "on" || !item) return;
      const view = viewOf(this._OSD, this._viewer, item, this._scale);
      if (view === null || sameView(view, this._view)) return;
      this._view = view;
      this._push(viewEvent(view, cause));
    }

    _pointed(event) {
      if (!this._view || this._state !== "on" || event.pointerType === "touch") return;
      this._push(["point", ...this._placeOf(event)]);
    }

    _clicked(event) {
      const button = ["left", "middle", "right"][event.button];
      if (!this._view || this._state !== "on" || !button) return;
      this._noteInput();
      this._push(["click", ...this._placeOf(event), button]);
    }

    _placeOf(event) {
      const box = this._viewer.canvas.getBoundingClientRect();
      const place = slidePoint(this._view, event.clientX - box.left, event.clientY - box.top);
      return place.map((value) => Math.round(value * 10) / 10);
    }

    _tellWindow() {
      const size = this._viewer.container;
      this._push(["window", size.clientWidth, size.clientHeight, root.devicePixelRatio || 1]);
    }

    /** The page is before the reader's eyes and has the keyboard, or not. */
    _tellFocus(always) {
      if (this._state !== "on") return;
      const has = document.visibilityState === "visible" && document.hasFocus();
      if (always ? !has || this._hasFocus !== null : has !== this._hasFocus) {
        this._push(["focus", has]);
      }
      this._hasFocus = has;
    }

    _recentInput() { return this._session && this._now() - this._inputAt < 2000; }

    /** Input of any kind, anywhere in the page. */
    _noteInput() {
      if (!this._session || this._state !== "on") return;
      const now = this._now();
      this._inputAt = now;
      if (this._isIdle || now - this._lastInput >= INPUT_MS) {
        this._isIdle = false;
        this._lastInput = now;
        this._push(["idle", false, 0]);
      }
    }

    /** The page is left; where the browser brings it back, another session begins. */
    _left() {
      if (!this._session) return;
      const session = this._session;
      this._capture(this._cause);
      this._push(["close"]);
      session.closed = true;
      this._session = null;
      const lines = this._lines.splice(0);
      session.left = session.next; // what is still being stored must not tell of fewer
      this._store.put(session, {session: session.id, first: session.next - lines.length, lines});
      this._release();
      const unsent = this._tail.slice(this._tail.length - (session.next - session.sent));
      const size = unsent.reduce((sum, line) => sum + line.length + 1, 0);
      // What is larger, or does not arrive, is sent when a page with the recorder is next opened.
      if (this._options.server && unsent.length === session.next - session.sent &&
          size < MOST_TAIL_BYTES) {
        post(this._options.server, this._options.token, session, unsent, true).catch(() => {});
      }
    }

    // Keeping and sending -----------------------------------------------------------------------

    _tick() {
      const session = this._session;
      if (!session) return;
      const now = this._now();
      if (this._state === "on") {
        this._capture(this._recentInput() ? this._cause : "other");
        this._tellFocus(false);
        const since = now - Math.max(this._inputAt, this._lastInput);
        if (!this._isIdle && since >= IDLE_MS) {
          this._isIdle = true;
          this._push(["idle", true, Math.round(since) / 1000]);
        }
      }
      const behind = session.next - session.sent;
      if (this._tail.length > 2 * behind + 1000) this._tail = this._tail.slice(-behind - 1);
      if (this._tail.length > 5000) this._tail = this._tail.slice(-1000);
      // Nothing that happens is told too: the reader still looks at the same field.
      const isQuiet = this._isIdle || this._state !== "on" || !this._hasFocus;
      if (!isQuiet) session.elapsed_ns = Math.max(session.elapsed_ns, Math.round(now * 1e6));
      if (this._lines.length || (!isQuiet && now - this._keptAt >= 2 * KEEP_MS)) {
        this._keptAt = now;
        this._keep();
      }
      if (this._options.server && !this._isSending && Date.now() >= this._sendAt &&
          (!isQuiet || session.sent < session.next)) {
        this._sendAt = Date.now() + SEND_MS;
        this._send(session);
      }
    }

    /** Store what happened since the last time. */
    _keep() {
      const session = this._session;
      if (!session) return this._work;
      const lines = this._lines.splice(0);
      this._work = this._work.then(() => this._storeLines(session, lines)).catch((error) => {
        this._say(`This browser keeps nothing (${error.message}): it is kept in memory.`);
        if (session === this._session) this._lines.unshift(...lines);
      });
      return this._work;
    }

    _storeLines(session, lines) {
      session.touched = Date.now();
      session.stored = (session.stored || 0) + lines.length;
      const chunk = {session: session.id, first: session.stored - lines.length, lines};
      const copy = {...session, next: Math.max(session.stored, session.left || 0)};
      return this._store.put(copy, lines.length ? chunk : null).catch((error) => {
        session.stored -= lines.length;
        throw error;
      });
    }

    async _send(session) {
      this._isSending = true;
      try {
        const stored = {...session, next: session.stored || 0};
        await sendStored(this._store, this._options.server, this._options.token, stored);
        session.sent = stored.sent;
        this._failures = 0;
        this._say("");
      } catch (error) {
        this._failed(session, error);
      } finally {
        this._isSending = false;
      }
    }

    _failed(session, error) {
      this._failures += 1;
      if (error instanceof Refused && error.next !== undefined) session.sent = error.next;
      const isFinal = error instanceof Refused && [403, 413, 415, 422].includes(error.status);
      const wait = isFinal ? MOST_WAIT_MS : Math.min(MOST_WAIT_MS, SEND_MS * 2 ** this._failures);
      this._sendAt = Date.now() + wait;
      this._say(error instanceof Refused ? `Not sent: ${error.message}` :
        "Not sent: the server does not answer. It is kept in this browser.");
    }

    /** Send a session that has ended, in a few tries; what is not sent stays in the browser. */
    async _sendAll(session) {
      for (let tries = 0; tries < 3;) {
        try {
          if (await sendStored(this._store, this._options.server, this._options.token, session)) {
            await this._store.remove(session.id);
            this._say("");
            return true;
          }
        } catch (error) {
          this._failed(session, error);
          tries += 1;
          await new Promise((done) => setTimeout(done, 500));
        }
      }
      return false;
    }

    /** Close and send sessions of pages that ended, such as a tab that crashed. */
    async _sendOrphans() {
      for (const session of await this._store.sessions()) {
        if (session.id === this.session) continue;
        const release = await freeLock(session.id, session.touched);
        if (!release) continue;
        try {
          if (!session.closed) {
            const line = JSON.stringify([
              session.next, session.elapsed_ns, Math.round(session.elapsed_ns / 1e6), ["close"]]);
            session.next += 1;
            session.closed = true;
            await this._store.put(
              session, {session: session.id, first: session.next - 1, lines: [line]});
          }
          if (this._options.server) await this._sendAll(session);
        } catch (error) {
          this._say("An earlier session could not be read from this browser's storage.");
        } finally {
          release();
        }
      }
    }

    // What the reader sees ----------------------------------------------------------------------

    _show(state, sentence) {
      this._state = state;
      if (sentence !== undefined) this._said = sentence;
      if (this._label) {
        this._label.textContent = {on: "● Recording", paused: "Ⅱ Paused"}[state] || "";
        this._pauseButton.textContent = state === "paused" ? "Go on" : "Pause";
        this._note.textContent = this._said;
      }
      if (this._options.onState) this._options.onState(state, this._said);
    }

    _say(sentence) {
      if (sentence !== this._said) this._show(this._state, sentence);
    }

    _makeSign() {
      if (this._options.indicator === false) return;
      const sign = this._sign = box("left:8px;bottom:8px;padding:4px 8px;font-size:12px");
      sign.setAttribute("role", "status");
      this._label = sign.appendChild(document.createElement("span"));
      this._pauseButton = button(sign, "Pause", () => {
        if (this._state === "paused") this.resume(); else this.pause();
      });
      button(sign, "Stop", () => { this.stop(); });
      this._note = sign.appendChild(document.createElement("div"));
      this._viewer.container.appendChild(sign);
    }

    /** Resolves to what the reader agreed to, null where they did not. */
    async _ask() {
      const agreed = (names) => ({given_utc: new Date().toISOString(), names: Boolean(names)});
      if (typeof this._options.consent === "function") {
        const answer = await this._options.consent();
        return answer ? agreed(answer.names) : null;
      }
      try { // asked once while the tab is open
        const before = JSON.parse(root.sessionStorage.getItem(CONSENT_KEY));
        if (before && before.given_utc) return before;
      } catch (error) { /* no storage, or another's text in it */ }
      const answer = await this._askHere();
      const consent = answer ? agreed(answer.names) : null;
      try {
        if (consent) root.sessionStorage.setItem(CONSENT_KEY, JSON.stringify(consent));
      } catch (error) { /* asked again next time */ }
      return consent;
    }

    _askHere() {
      return new Promise((resolve) => {
        const dialog = box("left:50%;top:50%;transform:translate(-50%,-50%);padding:16px;" +
          "max-width:26em;font-size:14px");
        dialog.setAttribute("role", "dialog");
        dialog.setAttribute("aria-label", "Record how you read this slide?");
        const title = dialog.appendChild(document.createElement("b"));
        title.textContent = "Record how you read this slide?";
        const text = dialog.appendChild(document.createElement("p"));
        const where = this._options.server ? `sent to ${new URL(this._options.server).host}` :
          "kept in this browser until you download it";
        text.textContent = "Recorded are the field on screen, the mouse on the slide, clicks on " +
          "it, and when you are away. No pictures, nothing that you type, nothing outside of " +
          `this page. It is ${where}` +
          (this._options.reader ? `, under the name ${this._options.reader}.` : ".");
        const label = dialog.appendChild(document.createElement("label"));
        const names = label.appendChild(document.createElement("input"));
        names.type = "checkbox";
        label.appendChild(document.createTextNode(" Keep the name of the slide with it"));
        const row = dialog.appendChild(document.createElement("p"));
        const done = (answer) => { dialog.remove(); resolve(answer); };
        button(row, "Record", () => done({names: names.checked})).dataset.coverslip = "agree";
        button(row, "Do not record", () => done(null)).dataset.coverslip = "decline";
        this._viewer.container.appendChild(dialog);
      });
    }
  }

  // ----------------------------------------------------------------------------------------------

  function box(style) {
    const made = document.createElement("div");
    made.style.cssText = "position:absolute;z-index:1000;background:#1b2530;color:#fff;" +
      `border-radius:6px;font-family:sans-serif;${style}`;
    // The viewer takes no part in what is done here.
    for (const name of ["pointerdown", "pointerup", "click", "dblclick", "wheel", "keydown"]) {
      made.addEventListener(name, (event) => event.stopPropagation());
    }
    return made;
  }

  function button(parent, text, pressed) {
    const made = parent.appendChild(document.createElement("button"));
    made.type = "button";
    made.textContent = text;
    made.style.cssText = "margin-left:8px";
    made.addEventListener("click", pressed);
    return made;
  }

  /** The end of the address of an image; "" where it has none. */
  function nameOf(item) {
    const source = item.source || {};
    const address = source.url || source.tilesUrl || source["@id"] || source._id || source.id || "";
    const parts = String(address).split(/[?#]/)[0].split("/").filter(Boolean);
    return (parts.pop() || "").replace(/_files$/, "");
  }

  function isSafe(address) {
    const url = new URL(address, root.location ? root.location.href : undefined);
    return url.protocol === "https:" ||
      (url.protocol === "http:" && ["127.0.0.1", "localhost", "[::1]"].includes(url.hostname));
  }

  function newId() {
    const bytes = root.crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  const lockName = (id) => `${DATABASE}/${id}`;

  /** Hold a session while this page lives; the function lets go. */
  function holdLock(id) {
    if (!root.navigator || !root.navigator.locks) return () => {};
    let release;
    const held = new Promise((done) => { release = done; });
    root.navigator.locks.request(lockName(id), () => held).catch(() => {});
    return release;
  }

  /** Resolves to a function that lets go of a session whose page is gone; null where it lives. */
  function freeLock(id, touched) {
    if (!root.navigator || !root.navigator.locks) {
      return Promise.resolve(Date.now() - touched > ORPHAN_MS ? () => {} : null);
    }
    return new Promise((resolve) => {
      root.navigator.locks.request(lockName(id), {ifAvailable: true}, (lock) => {
        if (!lock) { resolve(null); return undefined; }
        return new Promise((done) => resolve(done));
      }).catch(() => resolve(null));
    });
  }

  Object.assign(CoverslipRecorder, {viewOf, slidePoint, sameView, headerLine, Store});
  return CoverslipRecorder;
});
