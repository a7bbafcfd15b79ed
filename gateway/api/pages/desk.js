// What this console knows: the alarms, the server's clock, what was silenced here.

const TAKEN = new Set(["ACKED", "DISPATCHED", "ON_SCENE"]);
const RANK = { alarm: 0, taken: 1, test: 2, resolved: 3 };

/** How an alarm is shown: alarm (nobody has it), taken, test, resolved. */
export function phase(alarm) {
  if (alarm.state === "RESOLVED") return "resolved";
  if (alarm.test) return "test";
  return TAKEN.has(alarm.state) ? "taken" : "alarm";
}

/** The id as people say it: short, and marked when it is not real. */
export function shortId(alarm) {
  return `${alarm.simulated ? "SIM-" : ""}${alarm.alarm_id.slice(0, 6).toUpperCase()}`;
}

export class Desk {
  constructor() {
    this.alarms = new Map();
    this.silenced = new Map();
    this.offsetMs = 0;
  }

  /** The server's clock, as far as it has told it. */
  now() {
    return Date.now() + this.offsetMs;
  }

  setClock(text) {
    if (text) this.offsetMs = Date.parse(text) - Date.now();
  }

  reset(alarms) {
    this.alarms.clear();
    for (const alarm of alarms) this.put(alarm);
  }

  put(alarm) {
    const known = this.alarms.get(alarm.alarm_id);
    alarm.heardMs = performance.now();
    alarm.track ??= known?.track;
    alarm.way ??= known?.way;
    if (alarm.open) this.alarms.set(alarm.alarm_id, alarm);
    else this.alarms.delete(alarm.alarm_id);
  }

  drop(alarmId) {
    this.alarms.delete(alarmId);
  }

  get(alarmId) {
    return this.alarms.get(alarmId);
  }

  /** Nobody's alarms first, then by how long they have waited. */
  sorted() {
    const key = (alarm) => [RANK[phase(alarm)], alarm.simulated ? 1 : 0, Date.parse(alarm.times.received_at)];
    return [...this.alarms.values()].sort((one, other) => {
      const [a, b] = [key(one), key(other)];
      return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
    });
  }

  secondsSincePress(alarm) {
    return (this.now() - Date.parse(alarm.times.received_at)) / 1000;
  }

  /** How old the press was when it reached us; only a late one says so. */
  lateSeconds(alarm) {
    if (!alarm.late || !alarm.times.event_at) return null;
    return Math.max(0, (Date.parse(alarm.times.received_at) - Date.parse(alarm.times.event_at)) / 1000);
  }

  /** Age of a position by now; null when nobody knows it. */
  positionAge(alarm) {
    const age = alarm.position.age_s;
    return age === null || age === undefined ? null : age + (performance.now() - alarm.heardMs) / 1000;
  }

  // ---- the siren, on this console only

  /** What silencing is remembered by: another press or a louder escalation is loud again. */
  #cause(alarm) {
    return `${alarm.last_press_at}/${alarm.escalation}`;
  }

  silence(alarm) {
    this.silenced.set(alarm.alarm_id, this.#cause(alarm));
  }

  isSilenced(alarm) {
    return this.silenced.get(alarm.alarm_id) === this.#cause(alarm);
  }

  waiting() {
    return this.sorted().filter((alarm) => phase(alarm) === "alarm");
  }

  isLoud() {
    return this.waiting().some((alarm) => !this.isSilenced(alarm));
  }
}
