// The siren: two soft tones while an alarm waits. Browsers let a page sound only after somebody touched it.

const BEAT_MS = 1600;

export class Siren {
  constructor() {
    this.context = null;
    this.timer = null;
    this.title = document.title;
    this.isBlinking = false;
  }

  get isReady() {
    return this.context !== null && this.context.state === "running";
  }

  /** To be called from a click or key. */
  async test() {
    this.context ??= new AudioContext();
    await this.context.resume();
    this.#sound();
  }

  set(isLoud, title) {
    if (isLoud && this.timer === null) {
      this.#beat(title);
      this.timer = window.setInterval(() => this.#beat(title), BEAT_MS);
    }
    if (!isLoud && this.timer !== null) {
      window.clearInterval(this.timer);
      this.timer = null;
      this.#show(false);
    }
  }

  #beat(title) {
    if (this.isReady) this.#sound();
    this.#show(!this.isBlinking, title);
  }

  #show(isAlarm, title) {
    this.isBlinking = isAlarm;
    document.title = isAlarm ? title : this.title;
    document.getElementById("favicon").href = isAlarm ? "/static/alarm.svg" : "/static/calm.svg";
  }

  #sound() {
    const start = this.context.currentTime;
    for (const [at, pitch] of [[0, 740], [0.28, 988], [0.56, 740]]) {
      const tone = new OscillatorNode(this.context, { type: "triangle", frequency: pitch });
      const loudness = new GainNode(this.context, { gain: 0 });
      loudness.gain.setValueAtTime(0, start + at);
      loudness.gain.linearRampToValueAtTime(0.28, start + at + 0.03);
      loudness.gain.linearRampToValueAtTime(0, start + at + 0.26);
      tone.connect(loudness).connect(this.context.destination);
      tone.start(start + at);
      tone.stop(start + at + 0.27);
    }
  }
}
