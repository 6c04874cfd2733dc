// Asks the server about one photo until it answers: in its turn, again after a pause that the
// server names, and again when a server that was away is back.

import { send, Trouble } from "./api.js";
import * as line from "./line.js";
import * as outage from "./outage.js";
import { say } from "./say.js";

const REFUSALS = 5; // after which the person decides when to ask again
const STOPPING = 503; // or busy
const LOST = 3; // after which the server is not the cause

// `show` has functions for what the person may see meanwhile: `waiting`, `started`, `away`,
// `refused` with the trouble, and `countdown` with the seconds that are left.
export class Asking {
  isPaused = false; // until a countdown ends, or the server is back; `hurry` ends it
  #photo;
  #signal;
  #show;
  #hurry = () => {};
  #lost = 0; // requests in a row that did not reach a server that can be reached

  constructor(photo, signal, show) {
    this.#photo = photo;
    this.#signal = signal;
    this.#show = show;
  }

  // Returns the API's JSON; throws Trouble or AbortError.
  async answer(query) {
    const [since, at] = [performance.now(), line.place()];
    this.#show.waiting();
    for (;;) {
      try {
        return await line.inTurn(at, this.#signal, () => this.#inTurn(query, since));
      } catch (trouble) {
        if (trouble.status !== 0) throw trouble;
        this.#lost += 1;
        if (this.#lost > LOST) throw new Trouble(say("not_arrived"), 0);
        this.#pause(outage.hurry);
        this.#show.away();
      }
    }
  }

  hurry() {
    this.#hurry();
  }

  // A server that is busy, or had too many photos, refuses the next one too: that waits meanwhile.
  async #inTurn(query, since) {
    for (let refusals = 0; ; refusals += 1) {
      this.#pause(null);
      this.#show.started();
      try {
        return await this.#send(query, since);
      } catch (trouble) {
        if (!trouble.retryAfter || refusals === REFUSALS) throw trouble;
        await this.#countDown(trouble);
      }
    }
  }

  async #send(query, since) {
    if (outage.wasConfirmed()) this.#lost = 0;
    try {
      const answer = await send(this.#photo, query, this.#signal, since);
      outage.answered();
      return answer;
    } catch (trouble) {
      // The line is held before the next in it has its turn.
      if (trouble.status === 0) outage.began();
      else if (trouble.status === STOPPING && !(await outage.isOver())) throw this.#stopping();
      else if (trouble instanceof Trouble) outage.answered();
      throw trouble;
    }
  }

  // A server that is about to stop names a pause that is longer than most restarts take.
  #stopping() {
    outage.began({ isSure: true });
    return new Trouble(say("unreachable"), 0);
  }

  async #countDown(trouble) {
    let over = false;
    const hurried = new Promise((resolve) => {
      this.#pause(() => resolve((over = true)));
      this.#signal.addEventListener("abort", this.#hurry, { once: true });
    });
    this.#show.refused(trouble);
    for (let left = Math.ceil(trouble.retryAfter); left > 0 && !over; left -= 1) {
      this.#show.countdown(left);
      await Promise.race([new Promise((resolve) => setTimeout(resolve, 1000)), hurried]);
    }
    this.#signal.throwIfAborted();
  }

  #pause(hurry) {
    this.isPaused = Boolean(hurry);
    this.#hurry = hurry ?? (() => {});
  }
}
