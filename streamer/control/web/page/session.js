// The session of a page with its own server: what it asks there, and the form that asks for the
// password.

const SESSION = "/api/session";
const $ = (id) => document.getElementById(id);

/** An answer that is no success; `status` 0: there was no answer. */
export class Refusal extends Error {
  constructor(status, key, why, wait_s = 0) {
    super(why);
    Object.assign(this, { status, key, wait_s });
  }
}

export const session = { required: false, open: false, token: null };

async function ask(method, path, body, wait_ms = 20_000) {
  const headers = {};
  if (method !== "GET" && session.token) headers["X-CSRF-Token"] = session.token;
  if (body instanceof Blob) headers["Content-Type"] = body.type;
  else if (body !== undefined) headers["Content-Type"] = "application/json";
  try {
    return await fetch(path, {
      method,
      headers,
      body: body === undefined || body instanceof Blob ? body : JSON.stringify(body),
      cache: "no-store",
      signal: AbortSignal.timeout(wait_ms),
    });
  } catch (error) {
    const late = error.name === "TimeoutError";
    throw new Refusal(0, null, late ? "no answer came in time" : "the server cannot be reached");
  }
}

async function refusalOf(answer) {
  let said = {};
  try { said = await answer.json(); } catch { /* not ours, such as a proxy's page */ }
  const why = said.why ?? `the server answered ${answer.status}`;
  return new Refusal(answer.status, said.key ?? null, why, Number(answer.headers.get("Retry-After")));
}

/** The answer to a request of a session; a session that was lost is opened again if it can be. */
export async function call(method, path, body, wait_ms) {
  let answer = await ask(method, path, body, wait_ms);
  if (answer.status === 401 || answer.status === 403) {
    if (!(await renewSession())) throw new Refusal(401, null, "log in first");
    answer = await ask(method, path, body, wait_ms);
  }
  if (!answer.ok) throw await refusalOf(answer);
  return answer;
}

export const read = async (path) => (await call("GET", path)).json();

/** Whether the session is open; if it is not, the password is asked for. */
export async function renewSession() {
  const answer = await ask("GET", SESSION);
  if (!answer.ok) throw await refusalOf(answer);
  Object.assign(session, await answer.json());
  if (!session.open) showLogin();
  return session.open;
}

let tellAsked = () => {};

function showLogin() {
  if (!$("login").hidden) return;
  tellAsked(); // it shows the form
  $("password").value = "";
  $("password").focus();
}

/**
 * Have the page's form log in, and its button log out.
 *
 * *asked* is called when there is no session, and shows the form; *opened* when there is one again;
 * *failed* with the reason why logging out was not possible.
 */
export function takeLogins({ asked, opened, failed }) {
  tellAsked = asked;
  $("login").addEventListener("submit", async (event) => {
    event.preventDefault();
    const tell = (text) => ($("login-said").textContent = text);
    const button = $("login").querySelector("button");
    button.disabled = true;
    tell("");
    try {
      const answer = await ask("POST", SESSION, { password: $("password").value });
      if (!answer.ok) throw await refusalOf(answer);
      Object.assign(session, await answer.json());
      $("password").value = "";
      opened();
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      const wait = refusal.wait_s > 0 ? `${refusal.wait_s} s` : "a minute";
      if (refusal.status === 401) tell("This password is wrong.");
      else if (refusal.status === 429) tell(`Too many tries. Wait ${wait}, then try again.`);
      else tell(`That did not work: ${refusal.message}.`);
      $("password").select();
    } finally {
      button.disabled = false;
    }
  });
  $("log-out").addEventListener("click", async () => {
    try {
      await ask("DELETE", SESSION);
      session.open = false;
      session.token = null;
      await renewSession();
    } catch (refusal) {
      failed(refusal.message);
    }
  });
}
