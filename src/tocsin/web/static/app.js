// What pages gain with JavaScript: live parts, times that count on, keys. Everything works without it.
(function () {
  "use strict";
  var root = document.documentElement, body = document.body;
  root.classList.add("js");
  document.querySelectorAll("[data-needs-script], [data-keys-help]").forEach(function (node) { node.hidden = false; });

  // --- live: one stream a page. When something changed, the page is fetched anew and its live parts take on
  // what differs, node by node: focus stays, what is open stays open, what somebody typed stays typed.
  var heard = 0, source = null, broken = false, told = document.querySelector("[data-live-state]");
  function showState() {
    if (!told || !source) return;
    var seconds = Math.round((Date.now() - heard) / 1000);
    var lost = broken || seconds > 25;  // a heartbeat comes every ten seconds
    var line = told.closest(".live");
    line.classList.toggle("lost", lost);
    if (lost) line.setAttribute("role", "status"); else line.removeAttribute("role");
    var text = lost ? "disconnected since " + clock(new Date(heard)) : seconds < 2 ? "live" : "live, " + seconds + " s ago";
    if (told.textContent !== text) told.textContent = text;
  }
  function clock(moment) {
    return moment.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: body.dataset.zone });
  }
  function connect() {
    var scope = body.getAttribute("data-live-scope");
    if (scope === null || !window.EventSource) return;
    var greeted = false;
    source = new EventSource("/live" + (scope ? "?scope=" + encodeURIComponent(scope) : ""));
    heard = Date.now();
    ["hello", "heartbeat", "changed"].forEach(function (name) {
      source.addEventListener(name, function () {
        heard = Date.now();
        broken = false;
        if (name === "changed" || (name === "hello" && greeted)) later();
        if (name === "hello") greeted = true;
        showState();
      });
    });
    // A browser gives up for good when the answer is not a stream, such as while the server starts again.
    source.addEventListener("error", function () {
      broken = true;
      showState();
      if (source.readyState === 2) setTimeout(function () { source.close(); connect(); later(); }, 5000);
    });
  }
  var waits = null, fetching = false, again = false;
  function later() {
    if (!waits) waits = setTimeout(refresh, 150);
  }
  function refresh() {
    waits = null;
    if (fetching) { again = true; return; }
    var parts = document.querySelectorAll("[data-live-src]");
    if (!parts.length) return;
    fetching = true;
    var done = Array.prototype.map.call(parts, renew);
    Promise.all(done).then(function () {
      fetching = false;
      if (again) { again = false; later(); }
    });
  }
  function renew(part, place) {
    return fetch(part.getAttribute("data-live-src"), { headers: { accept: "text/html" }, credentials: "same-origin" })
      .then(function (answer) {
        if (answer.redirected && /\/sign-in/.test(answer.url)) { window.location.reload(); return null; }
        return answer.ok ? answer.text() : null;
      })
      .then(function (html) {
        if (html === null) return;
        var fresh = new DOMParser().parseFromString(html, "text/html");
        var whole = fresh.querySelectorAll("[data-live-src]")[place];
        morphChildren(part, whole || fresh.body);
        var rail = document.querySelector(".rail"), newRail = fresh.querySelector(".rail");
        if (rail && newRail) morphChildren(rail, newRail);
        tick();
        urgent();
      })
      .catch(function () { /* the stream says when it is back */ });
  }

  // --- taking on what differs
  var KEPT = /^(INPUT|TEXTAREA|SELECT)$/;
  function keyOf(node) {
    return node.nodeType === 1 ? node.id || node.tagName + (node.getAttribute("href") || node.getAttribute("action") || "") : "#" + node.nodeType;
  }
  function inUse(node) {
    if (node.nodeType !== 1) return false;
    if (node.contains(document.activeElement) && document.activeElement !== body) return true;
    return Array.prototype.some.call(node.querySelectorAll("textarea, input:not([type=hidden])"), function (field) {
      return field.type === "checkbox" || field.type === "radio" ? field.checked !== field.defaultChecked : field.value !== field.defaultValue;
    });
  }
  function morph(old, fresh) {
    if (old.nodeType !== 1) {
      if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
      return;
    }
    if (KEPT.test(old.tagName) && old.type !== "hidden") return;
    // A time that counts on here keeps its text while the moment is the same.
    if (old.dataset.due && old.dataset.due === fresh.dataset.due) return;
    if (old.dataset.since && old.dataset.since === fresh.dataset.since) return;
    var name;
    Array.prototype.slice.call(old.attributes).forEach(function (one) {
      name = one.name;
      if (!fresh.hasAttribute(name) && !(name === "open" || name === "class")) old.removeAttribute(name);
    });
    Array.prototype.forEach.call(fresh.attributes, function (one) {
      if (one.name !== "open" && old.getAttribute(one.name) !== one.value) old.setAttribute(one.name, one.value);
    });
    if (old.hasAttribute("class") && !fresh.hasAttribute("class")) old.removeAttribute("class");
    morphChildren(old, fresh);
  }
  function morphChildren(old, fresh) {
    var byKey = new Map();
    Array.prototype.forEach.call(old.childNodes, function (node) {
      var key = keyOf(node);
      if (!byKey.has(key)) byKey.set(key, []);
      byKey.get(key).push(node);
    });
    var at = old.firstChild;
    Array.prototype.slice.call(fresh.childNodes).forEach(function (node) {
      var known = (byKey.get(keyOf(node)) || []).shift();
      if (!known) {
        var added = document.importNode(node, true);
        if (added.nodeType === 1 && added.parentNode === null && old.tagName === "OL") added.classList.add("fresh");
        old.insertBefore(added, at);
        return;
      }
      if (known === at) at = at.nextSibling;
      else if (!inUse(known)) old.insertBefore(known, at);  // moving a node would take its focus away
      morph(known, node);
    });
    byKey.forEach(function (left) {
      left.forEach(function (node) { if (!inUse(node)) node.remove(); });
    });
  }

  // --- what must be heard at once: a page to you, a time that passed
  var announced = new Set(Array.prototype.map.call(document.querySelectorAll("[data-urgent]"), function (node) { return node.dataset.urgent; }));
  function urgent() {
    document.querySelectorAll("[data-urgent]").forEach(function (node) { announce(node.dataset.urgent); });
  }
  function announce(text) {
    if (announced.has(text)) return;
    announced.add(text);
    document.getElementById("urgent").textContent = text;
  }

  // --- times: the server writes what is left; here it is counted on
  function tick() {
    document.querySelectorAll("[data-due]").forEach(function (node) {
      var seconds = Math.round((new Date(node.dataset.due) - Date.now()) / 1000);
      var text = span(Math.abs(seconds)) + (seconds < 0 ? " late" : ""), line = node.parentElement;
      if (node.textContent !== text) node.textContent = text;
      if (seconds < 0 && node.dataset.what && node.dataset.counted) announce("The time passed: " + node.dataset.what);
      if (seconds >= 0) node.dataset.counted = "1";
      line.classList.toggle("late", seconds < 0);
      line.classList.toggle("warn", seconds >= 0 && seconds < 300);
    });
    document.querySelectorAll("[data-since]").forEach(function (node) {
      var text = span(Math.max(0, Math.round((Date.now() - new Date(node.dataset.since)) / 1000)));
      if (node.textContent !== text) node.textContent = text;
    });
  }
  function span(rest) {
    var days = Math.floor(rest / 86400), hours = Math.floor(rest % 86400 / 3600), minutes = Math.floor(rest % 3600 / 60);
    if (rest < 600) return minutes ? minutes + " min " + rest % 60 + " s" : rest + " s";
    if (days) return days + " d" + (hours ? " " + hours + " h" : "");
    if (hours) return hours + " h" + (minutes ? " " + minutes + " min" : "");
    return minutes + " min";
  }
  tick();
  setInterval(function () { tick(); showState(); }, 1000);
  connect();

  // --- keys: single letters move there and press nothing; off when the person says so, never while typing
  var off = false;
  try { off = localStorage.getItem("tocsin-keys") === "off"; } catch (error) { off = false; }
  root.classList.toggle("keys-off", off);
  function go(key) {
    var found = Array.prototype.slice.call(document.querySelectorAll("[data-key='" + key + "']"));
    var node = found[0];
    if (!node) return false;
    for (var up = node.parentElement; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
    if (node.tagName === "A") { node.click(); return true; }
    if (node.tagName === "SUMMARY") {
      node.parentElement.open = true;
      node = node.parentElement.querySelector("textarea, select, input:not([type=hidden])") || node;
    }
    node.scrollIntoView({ block: "center" });
    node.focus({ preventScroll: true });
    return true;
  }
  var pressed = "";
  document.addEventListener("keydown", function (event) {
    if ((event.ctrlKey || event.metaKey) && event.key === "k") { event.preventDefault(); go("search"); return; }
    if (event.ctrlKey || event.metaKey || event.altKey || off || document.querySelector("dialog[open]")) return;
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) && !/^(checkbox|radio)$/.test(event.target.type)) return;
    var key = event.key, to = pressed === "g" && { i: "/incidents", n: "/" }[key];
    pressed = key === "g" ? "g" : "";
    if (to) { window.location.href = to; return; }
    if (key === "/") { event.preventDefault(); go("search"); return; }
    if (key === "?") { showKeys(); return; }
    if (key === "j" || key === "k") { move(key === "j" ? 1 : -1); return; }
    if (/^[aesunc]$/.test(key) && go(key)) event.preventDefault();
  });
  function move(step) {
    var rows = Array.prototype.slice.call(document.querySelectorAll("[data-row]")).map(function (row) { return row.querySelector("a"); }).filter(Boolean);
    if (!rows.length) return;
    var at = rows.indexOf(document.activeElement);
    rows[Math.min(rows.length - 1, Math.max(0, at + step))].focus();
  }
  function showKeys() {
    var help = document.getElementById("keys");
    if (help && !help.open) help.showModal();
  }
  document.addEventListener("click", function (event) {
    if (event.target.closest("[data-keys-help]")) showKeys();
    var close = event.target.closest("[data-close]");
    if (close) close.closest("dialog").close();
    var who = document.querySelector(".who[open]");
    if (who && !who.contains(event.target)) who.open = false;
  });
  var switchKeys = document.querySelector("[data-keys-off]");
  if (switchKeys) {
    switchKeys.checked = off;
    switchKeys.addEventListener("change", function () {
      off = switchKeys.checked;
      root.classList.toggle("keys-off", off);
      try { localStorage.setItem("tocsin-keys", off ? "off" : "on"); } catch (error) { return; }
    });
  }

  // --- a link to something folded opens it
  function unfold() {
    var aim = window.location.hash.length > 1 && document.getElementById(decodeURIComponent(window.location.hash.slice(1)));
    if (!aim) return;
    var fold = aim.tagName === "DETAILS" ? aim : aim.querySelector("details");
    if (fold && !aim.querySelector("details[open]")) fold.open = true;
  }
  window.addEventListener("hashchange", unfold);
  unfold();
})();
