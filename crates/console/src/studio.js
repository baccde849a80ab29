"use strict";
// The page is whole without this. With it, spaces that are on their way are looked at again, and
// lines can be copied.
(() => {
  const list = () => document.getElementById("spaces");
  const busy = () => list()?.dataset.moving === "yes";

  const look = async () => {
    if (document.hidden) return;
    const answer = await fetch(location.pathname, { headers: { accept: "text/html" } });
    if (!answer.ok) return location.reload();
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("spaces");
    const now = list();
    if (!fresh || !now || fresh.innerHTML === now.innerHTML) return;
    // Nobody should lose the button under the fingers, or what was typed.
    if (now.contains(document.activeElement) && document.activeElement.matches("input")) return;
    const focused = document.activeElement?.id;
    now.replaceWith(fresh);
    if (focused) document.getElementById(focused)?.focus();
    const told = document.getElementById("told");
    if (told) told.textContent = fresh.dataset.summary ?? "";
  };
  let wait;
  const again = () => {
    clearTimeout(wait);
    wait = setTimeout(() => look().catch(() => {}).finally(again), busy() ? 1500 : 15000);
  };
  if (list()) again();

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    const text = document.getElementById(button.dataset.copy)?.textContent ?? "";
    const done = (said) => {
      button.textContent = said;
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    };
    try {
      await navigator.clipboard.writeText(text);
      done("Copied");
    } catch {
      const range = document.createRange();
      range.selectNodeContents(document.getElementById(button.dataset.copy));
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      done(document.execCommand("copy") ? "Copied" : "Selected");
    }
  });
  for (const button of document.querySelectorAll("button[data-copy]")) button.hidden = false;
  new MutationObserver(() => {
    for (const button of document.querySelectorAll("button[data-copy][hidden]")) button.hidden = false;
  }).observe(document.body, { childList: true, subtree: true });
})();
