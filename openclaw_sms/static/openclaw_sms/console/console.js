// A form is sent once: a second press of an impatient finger must not text anybody twice.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.classList.contains("sms-once")) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
});

// The page may come back from the browser's own memory, with its forms as they were left.
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  document.querySelectorAll("form.sms-once").forEach((form) => delete form.dataset.sent);
});

// Copy buttons. Outside of https and this machine a browser offers no clipboard, but still copies what is selected.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copies]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copies);
  let copied = false;
  try {
    await navigator.clipboard.writeText(source.textContent);
    copied = true;
  } catch {
    getSelection().selectAllChildren(source);
    copied = document.execCommand("copy");
  }
  button.parentElement.querySelector("[role=status]").textContent = copied ? "Copied." : "Copy it by hand: it is selected.";
});

// A form that asks something and shows the answer where it stands: what is typed elsewhere on the page stays.
document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.classList.contains("sms-asks")) return;
  event.preventDefault();
  const button = form.querySelector("button");
  const answers = form.querySelector(".sms-answers");
  const show = (found) => answers.replaceChildren(...found.map(({ tone, words }) => {
    const line = document.createElement("p");
    line.className = `sms-${tone}`;
    line.textContent = words;
    return line;
  }));
  button.disabled = true;
  show([{ tone: "quiet", words: "Asking Twilio…" }]);
  try {
    const response = await fetch(form.action, {
      method: "POST",
      body: new FormData(form),
      headers: { Accept: "application/json" },
      credentials: "same-origin",
      redirect: "error",
    });
    if (!response.ok) throw new Error(response.statusText);
    show((await response.json()).answers);
  } catch {
    show([{ tone: "bad", words: "The gateway did not answer, or you are logged out: reload the page and try again." }]);
  } finally {
    button.disabled = false;
  }
});

// What a choice means, in red beside it, while it is made.
function warn() {
  const policy = document.getElementById("id_dm_policy");
  const listed = document.getElementById("id_allow_from");
  if (!policy || !listed) return;
  const star = listed.value.split(/[\n,]/).some((entry) => entry.trim() === "*");
  const holds = { open: policy.value === "open", star: star && !["open", "disabled"].includes(policy.value) };
  document.querySelectorAll("[data-warns]").forEach((words) => { words.hidden = !holds[words.dataset.warns]; });
}
document.addEventListener("input", warn);
document.addEventListener("change", warn);
document.addEventListener("DOMContentLoaded", warn);
