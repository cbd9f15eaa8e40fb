"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const made = (kind, text, of) => {
    const node = Object.assign(document.createElement(kind), of || {});
    if (text) node.textContent = text;
    return node;
  };
  const percent = (share) => (share === null ? "–" : (100 * share).toFixed(1) + " %");

  // Light and dark: the reader's system decides until the button is pressed.
  const isDark = () => {
    const set = document.documentElement.dataset.theme;
    return set ? set === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };
  at("theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    drawMatrix();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawMatrix());

  // Tables whose headings sort: numbers by data-value, text by the alphabet; a second press turns the order round.
  for (const table of document.querySelectorAll("table.sortable")) {
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, column) => {
      const button = heading.querySelector("button");
      if (!button) return;
      button.addEventListener("click", () => {
        const down = heading.getAttribute("aria-sort") === "descending";
        const first = heading.classList.contains("number") ? "descending" : "ascending";
        const order = heading.getAttribute("aria-sort") === "none" || !heading.hasAttribute("aria-sort") ? first : down ? "ascending" : "descending";
        headings.forEach((other) => other.setAttribute("aria-sort", "none"));
        heading.setAttribute("aria-sort", order);
        const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
        const rows = [...table.tBodies[0].rows].sort((a, b) => {
          const [x, y] = [value(a), value(b)];
          const numbers = x !== "" && y !== "" && !isNaN(x) && !isNaN(y);
          return (numbers ? x - y : x.localeCompare(y)) * (order === "ascending" ? 1 : -1);
        });
        table.tBodies[0].append(...rows);
      });
    });
  }

  // The confusion matrix.
  const counts = data.confusion, size = counts.length;
  const indices = [...Array(size).keys()];
  const rowSum = counts.map((row) => row.reduce((a, b) => a + b, 0));
  const columnSum = indices.map((j) => counts.reduce((a, row) => a + row[j], 0));
  const iou = indices.map((i) => counts[i][i] / Math.max(1, rowSum[i] + columnSum[i] - counts[i][i]));
  const orders = {
    data: indices,
    iou: [...indices].sort((a, b) => iou[a] - iou[b]),
    support: [...indices].sort((a, b) => rowSum[b] - rowSum[a]),
    alike: data.alike,
  };
  const canvas = at("matrix");
  let order = indices, cell = Math.max(7, Math.min(34, Math.floor(620 / size))), margin = 0, chosen = null;

  const shareOf = (i, j) => counts[i][j] / Math.max(1, at("share").value === "row" ? rowSum[i] : columnSum[j]);

  function drawMatrix() {
    const style = getComputedStyle(document.documentElement), ratio = window.devicePixelRatio || 1;
    const context = canvas.getContext("2d"), font = Math.min(13, Math.max(8, cell - 3)) + "px system-ui, sans-serif";
    context.font = font;
    margin = cell < 9 ? 4 : Math.min(150, Math.max(...data.classes.map((one) => context.measureText(one.name).width)) + 10);
    const side = margin + cell * size + 2;
    canvas.width = side * ratio; canvas.height = side * ratio;
    canvas.style.width = canvas.style.height = side + "px";
    context.scale(ratio, ratio);
    context.font = font;
    const [heat, bad] = [style.getPropertyValue("--heat"), style.getPropertyValue("--heat-bad")];
    context.fillStyle = style.getPropertyValue("--panel");
    context.fillRect(margin, margin, cell * size, cell * size);
    order.forEach((i, row) => order.forEach((j, column) => {
      const share = shareOf(i, j);
      if (!share) return;
      // The root lets one percent be seen beside a hundred.
      context.fillStyle = `rgba(${i === j ? heat : bad}, ${Math.max(0.04, Math.sqrt(share))})`;
      context.fillRect(margin + column * cell, margin + row * cell, cell - (cell > 4 ? 1 : 0), cell - (cell > 4 ? 1 : 0));
      if (cell >= 28 && share >= 0.005) {
        context.fillStyle = Math.sqrt(share) > 0.55 ? (isDark() ? "#0b0d10" : "#fff") : style.getPropertyValue("--ink");
        context.font = "10px system-ui, sans-serif"; context.textAlign = "center";
        context.fillText(Math.round(100 * share), margin + (column + 0.5) * cell - 0.5, margin + row * cell + cell / 2 + 3.5);
        context.font = font;
      }
    }));
    if (cell >= 9) {
      context.fillStyle = style.getPropertyValue("--faint");
      order.forEach((i, place) => {
        context.textAlign = "right";
        context.fillText(data.classes[i].name, margin - 6, margin + (place + 0.5) * cell + 4, margin - 8);
        context.save();
        context.translate(margin + (place + 0.5) * cell + 4, margin - 6);
        context.rotate(-Math.PI / 2); context.textAlign = "left";
        context.fillText(data.classes[i].name, 0, 0, margin - 8);
        context.restore();
      });
    }
    if (chosen) {
      context.strokeStyle = style.getPropertyValue("--ink"); context.lineWidth = 2;
      context.strokeRect(margin + chosen[1] * cell, margin + chosen[0] * cell, cell - 1, cell - 1);
    }
  }

  function choose(row, column) {
    chosen = [Math.min(size - 1, Math.max(0, row)), Math.min(size - 1, Math.max(0, column))];
    const i = order[chosen[0]], j = order[chosen[1]], count = counts[i][j];
    const [truth, guess] = [data.classes[i].name, data.classes[j].name];
    at("cell").textContent = `Truth ${truth}, predicted ${guess}: ${count.toLocaleString("en")} pixels, ` +
      `${percent(count / Math.max(1, rowSum[i]))} of all ${truth}, ${percent(count / Math.max(1, columnSum[j]))} of all predicted as ${guess}.`;
    drawMatrix();
  }

  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left - margin) / cell), row = Math.floor((event.clientY - box.top - margin) / cell);
    const inside = row >= 0 && column >= 0 && row < size && column < size;
    if (inside && (!chosen || chosen[0] !== row || chosen[1] !== column)) choose(row, column);
  });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const [row, column] = chosen || [0, -step[1]];
    choose(row + step[0], column + step[1]);
  });
  at("order").addEventListener("change", () => { order = orders[at("order").value]; chosen = null; drawMatrix(); });
  at("share").addEventListener("change", drawMatrix);

  // The viewer: two layers over the image, parted where the slider stands.
  const stage = at("stage"), sides = { left: stage, right: at("right") };
  const parts = {
    left: [stage.querySelector(":scope > .base"), stage.querySelector(":scope > .over")],
    right: [at("right").querySelector(".base"), at("right").querySelector(".over")],
  };
  const layer = { left: "truth", right: "prediction" };
  const KINDS = ["image", "truth", "prediction", "error"];
  let shown = [], current = 0, marked = null;

  function showSide(side) {
    const image = data.images[current], [base, over] = parts[side], kind = layer[side];
    base.src = image.image;
    const source = marked && side === "right" ? marked.mask : kind === "image" ? null : image[kind];
    over.hidden = !source;
    if (source) over.src = source;
    const strong = kind === "error" || (marked && side === "right");
    over.style.opacity = strong ? 0.85 : at("strength").value / 100;
    base.style.filter = strong ? "grayscale(.6) brightness(.75)" : "";
    for (const button of at(side + "-layers").querySelectorAll("button"))
      button.setAttribute("aria-pressed", String(button.dataset.layer === kind && !(marked && side === "right")));
    sides[side].setAttribute("aria-label", `${side}: ${kind}`);
  }

  function show(index, mark) {
    if (index === undefined) return;
    current = index; marked = mark || null;
    const image = data.images[index];
    parts.left[0].width = image.width; parts.left[0].height = image.height;
    showSide("left"); showSide("right");
    const worst = [...image.iou].sort((a, b) => a[1] - b[1]).slice(0, 4).map(([i, value]) => `${data.classes[i].name} ${percent(value)}`);
    at("caption").textContent = `${image.name}: mean IoU ${percent(image.score)}, ${percent(image.accuracy)} of the pixels right; worst: ${worst.join(", ")}.` +
      (marked ? ` Marked on the right: ${marked.text}.` : "");
    for (const button of at("strip").children) button.setAttribute("aria-current", String(+button.dataset.index === index));
  }

  function wipe(value) {
    at("wipe").value = value;
    at("right").style.clipPath = `inset(0 0 0 ${value}%)`;
    at("edge").style.left = value + "%";
  }
  at("wipe").addEventListener("input", () => wipe(+at("wipe").value));
  at("strength").addEventListener("input", () => { showSide("left"); showSide("right"); });
  const drag = (event) => {
    const box = stage.getBoundingClientRect();
    wipe(Math.round(100 * Math.min(1, Math.max(0, (event.clientX - box.left) / box.width))));
  };
  stage.addEventListener("pointerdown", (event) => { stage.setPointerCapture(event.pointerId); drag(event); event.preventDefault(); at("viewer").focus({ preventScroll: true }); });
  stage.addEventListener("pointermove", (event) => { if (stage.hasPointerCapture(event.pointerId)) drag(event); });
  for (const side of ["left", "right"])
    at(side + "-layers").addEventListener("click", (event) => {
      if (!event.target.dataset.layer) return;
      layer[side] = event.target.dataset.layer;
      if (side === "right") marked = null;
      showSide(side);
    });
  const step = (by) => {
    if (!shown.length) return;
    const place = Math.max(0, shown.indexOf(current));
    show(shown[(place + by + shown.length) % shown.length]);
    const button = at("strip").querySelector('[aria-current="true"]');
    if (button) at("strip").scrollTo({ top: button.offsetTop - at("strip").offsetTop - 60 });
  };
  at("previous").addEventListener("click", () => step(-1));
  at("next").addEventListener("click", () => step(1));
  at("viewer").addEventListener("keydown", (event) => {
    if (event.target.type === "range" || event.ctrlKey || event.metaKey || event.altKey) return;
    const kind = KINDS[["Digit1", "Digit2", "Digit3", "Digit4"].indexOf(event.code)];
    if (event.key === "ArrowLeft") step(-1);
    else if (event.key === "ArrowRight") step(1);
    else if (kind) {
      layer[event.shiftKey ? "left" : "right"] = kind;
      if (!event.shiftKey) marked = null;
      showSide("left"); showSide("right");
    } else return;
    event.preventDefault();
  });

  // The strip of all images, in the order asked for; what is out of sight is not decoded.
  const waiting = new IntersectionObserver((entries) => {
    for (const entry of entries)
      if (entry.isIntersecting) { entry.target.src = data.images[+entry.target.dataset.index].image; waiting.unobserve(entry.target); }
  }, { rootMargin: "200px" });

  function fillStrip() {
    const by = +at("image-class").value, search = at("image-search").value.toLowerCase();
    const scoreOf = (image) => by < 0 ? image.score : (image.iou.find(([i]) => i === by) || [0, null])[1];
    const found = data.images.map((image, index) => ({ index, name: image.name, score: scoreOf(image) }))
      .filter((one) => one.name.toLowerCase().includes(search) && (by < 0 || one.score !== null));
    const way = at("image-order").value;
    found.sort((a, b) => way === "name" ? a.name.localeCompare(b.name) : ((a.score ?? 2) - (b.score ?? 2)) * (way === "worst" ? 1 : -1));
    shown = found.map((one) => one.index);
    at("image-count").textContent = `${found.length} of ${data.images.length}`;
    waiting.disconnect();
    at("strip").replaceChildren(...found.map((one) => {
      const button = made("button", "", { type: "button", title: one.name });
      button.dataset.index = one.index;
      const image = made("img", "", { alt: "" });
      image.dataset.index = one.index;
      button.append(image, made("span", percent(one.score)), made("span", one.name));
      button.addEventListener("click", () => show(one.index));
      waiting.observe(image);
      return button;
    }));
    if (shown.length) show(shown[0]);
  }
  for (const id of ["image-order", "image-class"]) at(id).addEventListener("change", fillStrip);
  at("image-search").addEventListener("input", fillStrip);

  // Examples that open in the viewer.
  function example(index, mask, caption, text) {
    const button = made("button", "", { type: "button", className: "example" });
    const box = made("div"), image = data.images[index];
    box.append(made("img", "", { src: image.image, alt: "", loading: "lazy" }), made("img", "", { src: mask, alt: "" }));
    button.append(box, made("span", caption), made("span", image.name));
    button.addEventListener("click", () => {
      layer.left = "image";
      show(index, { mask, text });
      at("images").scrollIntoView({ behavior: "smooth" });
      at("viewer").focus({ preventScroll: true });
    });
    return button;
  }
  const named = (index) => {
    const node = made("span"), swatch = made("span", "", { className: "swatch" });
    swatch.style.background = data.classes[index].colour;
    node.append(swatch, data.classes[index].name);
    return node;
  };
  at("pair-list").append(...data.pairs.map((pair) => {
    const row = made("div", "", { className: "pair" }), text = made("p"), examples = made("div", "", { className: "examples" });
    const words = `${data.classes[pair.true].name} predicted as ${data.classes[pair.guess].name}`;
    text.append(named(pair.true), " predicted as ", named(pair.guess), made("br"),
      made("span", `${pair.pixels.toLocaleString("en")} pixels, ${percent(pair.share)} of all ${data.classes[pair.true].name}`, { className: "small faint" }));
    examples.append(...pair.examples.map((one) => example(one.image, one.mask, `${one.pixels.toLocaleString("en")} pixels`, words)));
    row.append(text, examples);
    return row;
  }));
  if (!data.pairs.length) at("pair-list").append(made("p", "None: no pixel is wrong."));

  if (at("suspect-list")) at("suspect-list").append(...data.suspects.map((one) => {
    const words = `labelled ${data.classes[one.labelled].name}, predicted ${data.classes[one.predicted].name}`;
    return example(one.image, one.mask, `${words}, ${one.area.toLocaleString("en")} px, ${percent(one.confidence)} sure`, words);
  }));

  drawMatrix();
  fillStrip();
  document.documentElement.dataset.ready = "true";
})();
