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
