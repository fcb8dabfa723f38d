// What a page does that HTML cannot: the countdown of an order, and changes while somebody looks.
"use strict";

for (const region of document.querySelectorAll("[data-live]")) {
  const source = new EventSource(region.dataset.live);
  let shown = "";
  source.onmessage = (event) => {
    if (event.data === shown) return; // after a new connection
    shown = event.data;
    region.innerHTML = event.data; // made, and escaped, by the templates of this site
    document.querySelector("[data-open]")?.remove();
  };
  addEventListener("pagehide", () => source.close());
}

const left = document.querySelector("[data-left]");
if (left) {
  const announce = document.querySelector("[data-announce]");
  const seconds = Number(left.dataset.left); // by the server's clock
  const began = performance.now();
  const show = () => {
    const rest = Math.max(0, Math.round(seconds - (performance.now() - began) / 1000));
    left.textContent = rest > 0
      ? `It is held for you for ${Math.floor(rest / 60)}:${String(rest % 60).padStart(2, "0")}`
      : "The time to pay is over.";
    if (rest === 300 || rest === 60 || rest === 0) {
      announce.textContent = rest > 0 ? `${rest / 60} minutes left to pay` : left.textContent;
    }
    if (rest === 0) clearInterval(timer);
  };
  const timer = setInterval(show, 1000);
  show();
}
