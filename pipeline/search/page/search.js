"use strict";
const PAGE = 24;
const byId = (id) => document.getElementById(id);
const status = byId("status");
let query = null; // {text} or {picture} or {item, caption, index}
let asked = 0; // answers to earlier questions are dropped

async function api(path, options) {
  const answer = await fetch(path, options);
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(typeof body.detail === "string" ? body.detail : `the server said ${answer.status}`);
  return body;
}

function ask(index, offset) {
  const view = byId("view").value;
  const rest = new URLSearchParams({ index, view, k: PAGE, offset });
  if (query.text !== undefined) {
    return api("api/search", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ text: query.text, index: Number(index), view, k: PAGE, offset }),
    });
  }
  if (query.picture) return api(`api/search/image?${rest}`, { method: "POST", body: query.picture });
  rest.set("id", query.item);
  return api(`api/similar?${rest}`);
}

function drawBits(place, bits) {
  place.replaceChildren(...[...bits].map((bit) => {
    const box = document.createElement("i");
    box.className = bit === "1" ? "set" : "";
    return box;
  }));
  place.setAttribute("aria-label", `${bits.length} bits: ${bits}`);
}

function drawHit(list, hit, index) {
  const entry = byId("hit").content.cloneNode(true);
  const image = entry.querySelector("img");
  const caption = hit.caption || hit.id;
  if (hit.has_image) image.src = `api/image?${new URLSearchParams({ id: hit.id, index })}`;
  else image.remove();
  entry.querySelector(".caption").textContent = caption;
  entry.querySelector(".distance").textContent = `distance ${hit.distance}`;
  const button = entry.querySelector("button");
  button.setAttribute("aria-label", `${caption}, distance ${hit.distance}: find similar`);
  button.addEventListener("click", () => { query = { item: hit.id, caption }; search(); });
  list.append(entry);
}

async function fill(column, index, number) {
  const list = column.querySelector("ol");
  const offset = list.children.length;
  const answer = await ask(index, offset);
  if (number !== asked) return 0;
  drawBits(column.querySelector(".bits"), answer.bits);
  for (const hit of answer.results) drawHit(list, hit, index);
  const more = column.querySelector(".more");
  more.hidden = list.children.length >= answer.total || answer.results.length < PAGE;
  return answer.total;
}

async function search() {
  const number = ++asked;
  const chosen = [byId("left").value, byId("right").value].filter((value) => value !== "");
  const what = query.text !== undefined ? `“${query.text}”` : query.picture ? "your picture" : `what is like “${query.caption}”`;
  status.textContent = `Searching for ${what} …`;
  const columns = chosen.map((index) => {
    const column = byId("column").content.cloneNode(true).firstElementChild;
    column.querySelector("h2").textContent = byId("left").options[index].text;
    column.querySelector(".more").addEventListener("click", async (event) => {
      const first = column.querySelectorAll("li").length;
      try { await fill(column, index, asked); } catch (error) { status.textContent = `Not found: ${error.message}.`; }
      column.querySelectorAll("li button")[first]?.focus();
      void event;
    });
    return column;
  });
  try {
    const totals = await Promise.all(columns.map((column, i) => fill(column, chosen[i], number)));
    if (number !== asked) return;
    byId("results").replaceChildren(...columns);
    const count = columns[0].querySelectorAll("li").length;
    status.textContent = `The nearest ${count} of ${totals[0]} to ${what}.`;
  } catch (error) {
    if (number === asked) status.textContent = `Not found: ${error.message}.`;
  }
}

byId("query").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = byId("words").value.trim();
  if (!text) { status.textContent = "Type words, or choose a picture."; return; }
  query = { text };
  search();
});
const take = (file) => { if (file) { query = { picture: file }; search(); } };
byId("picture").addEventListener("change", (event) => take(event.target.files[0]));
for (const name of ["dragover", "drop", "dragleave"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    byId("drop").classList.toggle("over", name === "dragover");
    if (name === "drop") take(event.dataTransfer.files[0]);
  });
}
for (const id of ["view", "left", "right"]) {
  byId(id).addEventListener("change", () => { if (query) search(); });
}
api("api/indexes").then((indexes) => {
  indexes.forEach((about, i) => {
    const text = `${about.name} (${about.items} items)`;
    byId("left").append(new Option(text, i));
    if (indexes.length > 1) byId("right").append(new Option(text, i));
  });
  if (indexes.length < 2) { byId("right").disabled = true; }
  if (indexes[0].images === 0) byId("view").value = "text";
}, (error) => { status.textContent = `The indexes cannot be read: ${error.message}.`; });
