// What pages gain with JavaScript: staleness of live data, keys, local times. Everything works without it.
(function () {
  "use strict";
  var body = document.body;
  document.documentElement.classList.add("js");

  // --- live: one stream a page; fragments with data-live-src are fetched anew when something changed.
  var last = 0, source = null, told = document.querySelector("[data-live-state]");
  function state() {
    if (!told) return;
    var seconds = Math.round((Date.now() - last) / 1000);
    var lost = !source || source.readyState === 2 || seconds > 25;
    told.closest(".live").classList.toggle("lost", lost);
    told.textContent = lost ? "disconnected since " + clock(new Date(last)) : seconds < 2 ? "live" : "live, " + seconds + " s ago";
  }
  function clock(moment) {
    return moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  }
  var pending = null;
  function refresh() {
    pending = null;
    document.querySelectorAll("[data-live-src]").forEach(function (part) {
      // What somebody is typing in is never replaced under their hands.
      if (part.contains(document.activeElement) && /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName)) return;
      if (part.querySelector("details[data-keep][open]")) return;
      window.htmx.ajax("GET", part.getAttribute("data-live-src"), { target: part, swap: "innerHTML", source: part });
    });
  }
  function connect() {
    var scope = body.getAttribute("data-live-scope");
    if (scope === null || !window.EventSource) return;
    source = new EventSource("/live" + (scope ? "?scope=" + encodeURIComponent(scope) : ""));
    last = Date.now();
    ["hello", "heartbeat", "changed"].forEach(function (name) {
      source.addEventListener(name, function () {
        last = Date.now();
        if (name === "changed" && !pending) pending = setTimeout(refresh, 150);
        if (name === "hello" && connect.again) refresh();
        connect.again = true;
        state();
      });
    });
    setInterval(state, 1000);
  }
  connect();

  // --- times: the server writes UTC; a title keeps it, the text becomes local and the rest is counted down.
  function times(root) {
    root.querySelectorAll("time[datetime][data-local]").forEach(function (node) {
      var moment = new Date(node.getAttribute("datetime"));
      node.title = node.title || moment.toISOString();
      node.textContent = clock(moment);
    });
    root.querySelectorAll("[data-due]").forEach(function (node) {
      var seconds = Math.round((new Date(node.getAttribute("data-due")) - Date.now()) / 1000);
      node.textContent = span(Math.abs(seconds)) + (seconds < 0 ? " late" : "");
      node.parentElement.classList.toggle("late", seconds < 0);
      node.parentElement.classList.toggle("warn", seconds >= 0 && seconds < 300);
    });
    root.querySelectorAll("[data-since]").forEach(function (node) {
      node.textContent = span(Math.max(0, Math.round((Date.now() - new Date(node.getAttribute("data-since"))) / 1000)));
    });
  }
  function span(seconds) {
    var parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]], text = [];
    parts.forEach(function (part) {
      var count = Math.floor(seconds / part[0]);
      if (count && text.length < 2) { text.push(count + " " + part[1]); }
      seconds -= count * part[0];
    });
    return text.join(" ") || "0 s";
  }
  times(document);
  setInterval(function () { times(document); }, 1000);
  document.addEventListener("htmx:afterSwap", function (event) { times(event.target); });

  // --- keys: single letters, off when the person says so, never while typing.
  var off = false;
  try { off = localStorage.getItem("tocsin-keys") === "off"; } catch (error) { off = false; }
  var waiting = "";
  function go(selector) {
    var node = document.querySelector(selector);
    if (!node) return false;
    node.tagName === "A" ? node.click() : (node.scrollIntoView({ block: "center" }), node.focus());
    return true;
  }
  document.addEventListener("keydown", function (event) {
    if ((event.ctrlKey || event.metaKey) && event.key === "k") { event.preventDefault(); go("[data-key='search']"); return; }
    if (event.ctrlKey || event.metaKey || event.altKey || off) return;
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) || event.target.isContentEditable) return;
    var key = event.key;
    if (waiting === "g" && key === "i") { waiting = ""; window.location.href = "/incidents"; return; }
    waiting = key === "g" ? "g" : "";
    if (key === "/") { event.preventDefault(); go("[data-key='search']"); return; }
    if (key === "?") { var help = document.getElementById("keys"); if (help) help.showModal(); return; }
    if (key === "j" || key === "k") { move(key === "j" ? 1 : -1); return; }
    if ("aesunc".indexOf(key) >= 0 && go("[data-key='" + key + "']")) event.preventDefault();
  });
  function move(step) {
    var rows = Array.prototype.slice.call(document.querySelectorAll("[data-row] a"));
    if (!rows.length) return;
    var at = rows.indexOf(document.activeElement);
    rows[Math.min(rows.length - 1, Math.max(0, at + step))].focus();
  }
  var switchKeys = document.querySelector("[data-keys-off]");
  if (switchKeys) {
    switchKeys.checked = off;
    switchKeys.addEventListener("change", function () {
      off = switchKeys.checked;
      try { localStorage.setItem("tocsin-keys", off ? "off" : "on"); } catch (error) { return; }
    });
  }
  document.querySelectorAll("[data-close]").forEach(function (node) {
    node.addEventListener("click", function () { node.closest("dialog").close(); });
  });
})();
