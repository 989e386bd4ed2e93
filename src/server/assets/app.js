// What pages do beside being read: keys, charts that answer the pointer, commands to copy, news. Everything works without it.
"use strict";
(() => {
  const $ = (selector, within = document) => within.querySelector(selector);
  const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
  const typing = (element) => element.closest("input,textarea,select,dialog");

  // Charts, drawn from the table below each.
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const money = (currency) => {
    const short = new Intl.NumberFormat("en-US", {style: "currency", currency, notation: "compact", maximumFractionDigits: 1});
    const whole = new Intl.NumberFormat("en-US", {style: "currency", currency});
    return {short: (value) => short.format(value), whole: (value) => whole.format(value)};
  };

  function read(figure) {
    const head = $$(".twin thead th", figure).slice(1);
    const rows = $$(".twin tbody tr", figure);
    const value = (row, column) => {
      const text = row.cells[column + 1]?.dataset.v;
      return text === undefined ? null : Number(text);
    };
    return {
      labels: rows.map((row) => ($("a", row.cells[0]) ?? row.cells[0]).textContent.trim()),
      links: rows.map((row) => $("a", row.cells[0])?.getAttribute("href")),
      flagged: rows.map((row) => row.hasAttribute("data-flag")),
      open: rows.map((row) => row.hasAttribute("data-open")),
      series: head.map((cell, column) => ({
        name: cell.textContent,
        kind: cell.dataset.kind,
        colour: `--c${Math.min(Number(cell.dataset.colour), 8)}`,
        values: rows.map((row) => value(row, column)),
      })),
    };
  }

  function draw(figure) {
    const place = $(".draw", figure);
    const {labels, links, flagged, open, series} = read(figure);
    if (labels.length < 2 || !window.uPlot || !place) return;
    let shown;
    try {
      shown = money(figure.dataset.currency || "USD");
    } catch {
      return;
    }
    const limit = figure.dataset.limit === undefined ? null : Number(figure.dataset.limit);
    const count = labels.length;
    const bars = series.filter((one) => one.kind === "bars");
    const others = series.filter((one) => one.kind !== "bars");
    // Bars stand on each other: the highest is drawn first.
    const sum = new Array(count).fill(0);
    const down = new Array(count).fill(0);
    const stacked = bars.map((one) => one.values.map((value, at) => {
      if (value === null) return null;
      return value >= 0 ? (sum[at] += value) : (down[at] += value);
    }));
    const data = [labels.map((_, at) => at), ...stacked.slice().reverse(), ...others.map((one) => one.values)];
    const barPaths = uPlot.paths.bars({size: [0.76, 60], align: 0});
    const line = (one) => ({
      label: one.name, points: {show: false}, spanGaps: false,
      stroke: one.kind === "low" || one.kind === "high" ? "transparent" : colour(one.colour),
      width: one.kind === "low" || one.kind === "high" ? 0 : 2,
      dash: one.kind === "dashes" ? [6, 4] : undefined,
    });
    const plots = bars.slice().reverse().map((one) => ({
      label: one.name, paths: barPaths, points: {show: false}, fill: colour(one.colour), stroke: colour(one.colour), width: 0,
    }));
    const low = others.findIndex((one) => one.kind === "low");
    const first = 1 + bars.length;
    const tip = document.createElement("div");
    tip.className = "tip";
    tip.hidden = true;
    const said = (at) => [labels[at] + (open[at] ? " (not finished)" : "")].concat(
      series.filter((one) => one.values[at] !== null && (bars.length < 2 || Math.abs(one.values[at]) >= 0.005))
        .map((one) => `${one.name}  ${shown.whole(one.values[at])}`)).join("\n");
    const chart = new uPlot({
      width: place.clientWidth, height: place.clientHeight, padding: [0, 0, 0, 0],
      legend: {show: false},
      cursor: {y: false, points: {show: false}, drag: {x: true, y: false, setScale: false}},
      scales: {x: {time: false, range: () => [-0.5, count - 0.5]}, y: {range: (_, least, most) => scale(least, most, limit)}},
      axes: [{show: false}, {show: false}],
      bands: low >= 0 ? [{series: [first + low + 1, first + low], fill: colour("--band")}] : [],
      series: [{}, ...plots, ...others.map(line)],
      hooks: {
        drawClear: [(u) => rules(u, limit)],
        draw: [(u) => marks(u, flagged, open, bars.length ? sum : others[0]?.values ?? [], limit)],
        setCursor: [(u) => {
          const at = u.cursor.idx;
          tip.hidden = at === null || at === undefined || u.cursor.left < 0;
          if (tip.hidden) return;
          tip.textContent = said(at);
          const right = u.cursor.left > place.clientWidth / 2;
          tip.style.left = right ? "" : `${u.cursor.left + 14}px`;
          tip.style.right = right ? `${place.clientWidth - u.cursor.left + 14}px` : "";
          tip.style.top = "0.5rem";
        }],
        setSelect: [(u) => {
          const width = u.select.width;
          const at = (pixel) => Math.max(0, Math.min(count - 1, Math.round(u.posToVal(pixel, "x"))));
          if (width < 4) return;
          const [from, to] = [at(u.select.left), at(u.select.left + width)];
          u.setSelect({left: 0, top: 0, width: 0, height: 0}, false);
          go(links[from], links[to]);
        }],
        ready: [(u) => {
          u.over.append(tip);
          u.over.addEventListener("click", () => u.cursor.idx !== null && links[u.cursor.idx] && leave(links[u.cursor.idx]));
          u.over.style.cursor = "pointer";
        }],
      },
    }, data, (u, start) => {
      // The server's drawing is what is printed: a canvas keeps the size that it has on the screen.
      place.classList.add("drawn");
      place.append(u.root);
      start();
    });
    // The scale is drawn beside the chart; the server's is for its own drawing.
    const [least, most] = scale(Math.min(0, ...down), Math.max(...sum, ...others.flatMap((one) => one.values.filter((value) => value !== null))), limit);
    const ticks = $$(".y span", figure);
    [most, (most + least) / 2, least].forEach((value, at) => { if (ticks[at]) ticks[at].textContent = shown.short(value); });
    new ResizeObserver(() => chart.setSize({width: place.clientWidth, height: place.clientHeight})).observe(place);
  }

  const nice = (value) => {
    const power = 10 ** Math.floor(Math.log10(Math.max(value, 1e-9)));
    return ([1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((step) => step * power >= value * 0.9999) ?? 10) * power;
  };
  const scale = (least, most, limit) => [least < 0 ? -nice(-least) : 0, nice(Math.max(most ?? 0, limit ?? 0, 0.01))];

  function rules(u, limit) {
    const {ctx, bbox} = u;
    const [least, most] = [u.scales.y.min, u.scales.y.max];
    ctx.save();
    ctx.strokeStyle = colour("--rule");
    ctx.lineWidth = 1;
    for (const value of [most, (least + most) / 2, Math.max(0, least)]) {
      const y = Math.round(u.valToPos(value, "y", true)) + 0.5;
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
    }
    ctx.restore();
  }

  function marks(u, flagged, open, tops, limit) {
    const {ctx, bbox} = u;
    const ratio = window.devicePixelRatio || 1;
    ctx.save();
    const from = open.indexOf(true);
    if (from >= 0) {
      const left = u.valToPos(from - 0.5, "x", true);
      ctx.beginPath();
      ctx.rect(left, bbox.top, bbox.left + bbox.width - left, bbox.height);
      ctx.clip();
      ctx.strokeStyle = colour("--hatch");
      ctx.lineWidth = ratio;
      for (let x = left - bbox.height; x < bbox.left + bbox.width; x += 7 * ratio) {
        ctx.beginPath();
        ctx.moveTo(x, bbox.top + bbox.height);
        ctx.lineTo(x + bbox.height, bbox.top);
        ctx.stroke();
      }
    }
    ctx.restore();
    ctx.save();
    ctx.fillStyle = colour("--bad");
    flagged.forEach((is, at) => {
      if (!is || tops[at] === null || tops[at] === undefined) return;
      ctx.beginPath();
      ctx.arc(u.valToPos(at, "x", true), u.valToPos(tops[at], "y", true), 3.5 * ratio, 0, 7);
      ctx.fill();
    });
    if (limit !== null) {
      const y = u.valToPos(limit, "y", true);
      ctx.strokeStyle = colour("--bad");
      ctx.lineWidth = 1.5 * ratio;
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
    }
    ctx.restore();
  }

  // From one day to another: the links of both, put together.
  function go(first, last) {
    if (!first || !last) return;
    const [from, to] = [new URL(first, location), new URL(last, location)];
    from.searchParams.set("to", to.searchParams.get("to") ?? "");
    leave(from.pathname + from.search);
  }
  const leave = (address) => { location.href = address; };

  // Rows by keyboard.
  let row = -1;
  const rows = () => $$("main tr[data-href]");
  function move(by) {
    const all = rows();
    if (!all.length) return;
    all[row]?.classList.remove("here");
    row = Math.max(0, Math.min(all.length - 1, row + by));
    all[row].classList.add("here");
    all[row].scrollIntoView({block: "nearest"});
    $("a", all[row])?.focus({preventScroll: true});
  }
  function choose() {
    const box = rows()[row] && $("input[type=checkbox]", rows()[row]);
    if (box) box.checked = !box.checked;
  }
  function say(what) {
    const form = $("form.triage, form.choose");
    const radio = form && $(`input[name=what][value=${what}]`, form);
    if (!radio) return;
    if (form.matches(".choose") && !$$("input[name=id]:checked", form).length) choose();
    radio.checked = true;
    (what === "snooze" ? $("input[name=until]", form) : $("input[name=reason]", form))?.focus();
  }
  const places = {m: "/", i: "/incidents", x: "/explore", f: "/forecast", b: "/budgets", c: "/compare", s: "/status"};
  let leading = 0;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const key = event.key;
    if (Date.now() - leading < 1000 && places[key]) {
      event.preventDefault();
      leading = 0;
      return leave(places[key]);
    }
    const acts = {
      g: () => { leading = Date.now(); },
      j: () => move(1),
      k: () => move(-1),
      x: choose,
      a: () => say("ack"),
      s: () => say("snooze"),
      e: () => say("expect"),
      "/": () => {
        const field = $("form.filters input[name=filter]:not([type=hidden]), textarea");
        if (!field) return false;
        field.focus();
      },
      "?": () => $("#keys").showModal(),
      Enter: () => {
        const address = rows()[row]?.dataset.href;
        if (!address || event.target.closest("a,button,summary") && event.target.closest("tr") !== rows()[row]) return false;
        leave(address);
      },
    };
    if (acts[key] && acts[key]() !== false) event.preventDefault();
  });

  // Commands to copy, examples to ask.
  function prepare(within) {
    $$("figure.plot", within).forEach((figure) => { if (!$(".uplot", figure)) draw(figure); });
    $$("code[data-copy]", within).forEach((code) => {
      if (code.nextElementSibling?.matches(".copy") || !navigator.clipboard) return;
      const button = Object.assign(document.createElement("button"), {type: "button", className: "plain copy", textContent: "copy"});
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "copied";
      });
      code.after(button);
    });
    $$("[data-example]", within).forEach((button) => button.addEventListener("click", () => {
      $("#question").value = button.textContent;
      $("#question").focus();
    }));
  }

  document.addEventListener("DOMContentLoaded", () => {
    prepare(document);
    const keys = $("[data-keys]");
    if (keys) {
      keys.hidden = false;
      keys.addEventListener("click", () => $("#keys").showModal());
    }
    $("[data-changed] button")?.addEventListener("click", () => location.reload());
    // Wide text that scrolls is reached by Tab; what fits need not be.
    $$(".scroll").forEach((box) => { if (box.scrollWidth <= box.clientWidth && box.scrollHeight <= box.clientHeight) box.removeAttribute("tabindex"); });
    // News: said, not forced on somebody who reads.
    const live = document.body.dataset.live;
    if (live && window.EventSource && $("header.top")) {
      let state = document.body.dataset.state || null;
      const source = new EventSource(live);
      const show = () => {
        const isReading = (document.activeElement ?? document.body) !== document.body || row >= 0 || window.scrollY > 100;
        if (location.pathname === "/" && !isReading) location.reload();
        else $("[data-changed]").hidden = false;
      };
      const heard = (event) => {
        const now = JSON.parse(event.data).state;
        if (state !== null && state !== now) {
          // A page of how it was before somebody who still writes would come again at once.
          setTimeout(show, $(".stale") ? 5000 : 0);
        }
        state = now;
      };
      source.addEventListener("state", heard);
      source.addEventListener("changed", heard);
      window.addEventListener("pagehide", () => source.close());
    }
  });
  document.addEventListener("htmx:after:swap", () => prepare(document));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => location.reload());
})();
