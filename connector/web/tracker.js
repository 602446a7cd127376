/* The connector's tracker: page views, forms, downloads, log-ins and sign-ups of a site, posted to /collect/<connection>.
   docs/adapters/tracker.md says how to put it into a page. A page names nobody: who a visitor is, only a token says that
   the site's server signed. */
(function () {
  'use strict';
  var script = document.currentScript || document.querySelector('script[data-connection][data-key]');
  var stub = window.abm;
  if (!script || (stub && stub.isLoaded)) return;

  var options = Object.assign({}, script.dataset);
  var address = script.src.replace(/tracker\.js.*$/, '') + 'collect/' + encodeURIComponent(options.connection) +
    '?key=' + encodeURIComponent(options.key);
  var files = (options.downloads || 'pdf doc docx xls xlsx ppt pptx csv txt zip gz rar 7z dmg exe msi apk mp3 mp4 mov')
    .toLowerCase().split(/[\s,]+/);
  var names = options.query === undefined ? null : options.query.split(/[\s,]+/);
  var signals = (options.signals || 'gpc').split(/[\s,]+/);
  var YEAR = 395 * 86400, SESSION = 1800, DAY = 86400000, TRIES = 5, RESTING = 10000;
  var isAllowed = options.consent !== 'required', isOn = false;
  var memory = {}, queue = [], timer = 0, lastPage = '', lastToken = '';

  function random() {
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), function (byte) {
      return (byte + 256).toString(16).slice(1);
    }).join('');
  }

  /* A cookie where they are allowed, so that the site's server can read abm_v; else localStorage; else this page alone. */
  function setCookie(name, value, seconds) {
    document.cookie = name + '=' + encodeURIComponent(value) + ';path=/;samesite=lax;max-age=' + seconds +
      (location.protocol === 'https:' ? ';secure' : '') + (options.domain ? ';domain=' + options.domain : '');
  }
  function cookie(name) {
    var found = document.cookie.match('(?:^|; )' + name + '=([^;]*)');
    return found ? decodeURIComponent(found[1]) : '';
  }
  function kept(name) {
    var text = '';
    try { text = cookie(name); } catch (refused) { /* as without cookies */ }
    if (text) return text;
    try { text = localStorage.getItem(name); } catch (refused) { /* as without storage */ }
    var parts = /^(\d+) ([^]*)$/.exec(text || memory[name] || '');
    return parts && Number(parts[1]) > Date.now() ? parts[2] : '';
  }
  function keep(name, value, seconds) {
    var text = (Date.now() + seconds * 1000) + ' ' + value;
    try { setCookie(name, value, seconds); if (cookie(name) === value) return; } catch (refused) { /* next */ }
    try { localStorage.setItem(name, text); } catch (refused) { memory[name] = text; }
  }
  function forget(name) {
    try { setCookie(name, '', 0); } catch (refused) { /* there is none */ }
    try { localStorage.removeItem(name); } catch (refused) { /* there is none */ }
    delete memory[name];
  }

  function visitor() {
    var id = kept('abm_v') || random();
    keep('abm_v', id, YEAR);
    return id;
  }
  /* The session's id, and the parameters of the address that it was entered by: they tell a mail from a bookmark. */
  function session(isEntered) {
    var known = kept('abm_s').split(' '), entry = (location.search + location.hash).slice(0, 300);
    var id = known[0] || random();
    if (known[0] && !(isEntered && entry)) entry = known[1] || '';
    keep('abm_s', id + ' ' + entry.replace(/ /g, '+'), SESSION);
    return {id: id, entry: entry};
  }

  /* An address without the values of parameters that hold an e-mail, or that data-query does not name. */
  function clean(url) {
    return url.replace(/([?&#])([^?&#=]*)=([^&#]*)/g, function (whole, sign, name, value) {
      return /@|%40/.test(value) || (names && names.indexOf(name) < 0) ? sign + name + '=' : whole;
    }).slice(0, 2000);
  }
  /* Where a single-page site is: anchors are places on one page, unless they hold a route. */
  function route() {
    return location.href.replace(/#(?![!/]).*$/, '');
  }

  function waiting() {
    var names = [];
    try { for (var name in localStorage) if (name.indexOf('abm_q.') === 0) names.push(name); } catch (refused) { return []; }
    return names;
  }
  function send(batch) {
    var name = 'abm_q.' + batch.id;
    batch.sent = Date.now();
    batch.tries = (batch.tries || 0) + 1;
    try { localStorage.setItem(name, JSON.stringify(batch)); } catch (refused) { /* then it is sent once */ }
    var body = JSON.stringify({id: batch.id, visitor: batch.visitor, sent: batch.sent, events: batch.events});
    if (!window.fetch || !('keepalive' in Request.prototype)) {
      if (navigator.sendBeacon(address, body)) localStorage.removeItem(name);
      return;
    }
    fetch(address, {
      method: 'POST', body: body, keepalive: true, mode: 'cors', credentials: 'omit', headers: {'Content-Type': 'text/plain'}
    }).then(function (answer) {
      if (answer.status !== 429 && answer.status < 500) localStorage.removeItem(name);
    }).catch(function () { /* what is kept is sent again: here a minute later, or on another page */ });
  }
  function sendAgain() {
    waiting().forEach(function (name) {
      var batch = null;
      try { batch = JSON.parse(localStorage.getItem(name)); } catch (broken) { /* nobody can read it */ }
      if (!batch || batch.tries >= TRIES || Date.now() - batch.events[0].at > DAY) localStorage.removeItem(name);
      else if (Date.now() - batch.sent > RESTING) send(batch);
    });
  }
  function flush() {
    clearTimeout(timer);
    timer = 0;
    while (queue.length) send({id: random(), visitor: visitor(), events: queue.splice(0, 10)});
  }

  function add(type, more, isEntered) {
    if (!isOn) return;
    var now = session(isEntered);
    queue.push(Object.assign(
      {id: random(), type: type, at: Date.now(), session: now.id, entry: clean(now.entry), page: clean(location.href)}, more
    ));
    if (document.visibilityState === 'hidden') flush();
    else timer = timer || setTimeout(safe(flush), 0);
  }
  function view(isEntered) {
    if (!isOn || route() === lastPage) return;
    lastPage = route();
    add('page', isEntered === true ? {entered: true} : {}, isEntered === true);
  }
  /* Whether somebody comes to the site by this address, and neither from another page of it, nor back, nor by reloading. */
  function isEntering() {
    var found = performance.getEntriesByType('navigation')[0];
    return (!found || found.type === 'navigate') && document.referrer.indexOf(location.origin + '/') !== 0;
  }

  function fieldsOf(form) {
    var fields = {};
    form.querySelectorAll('[data-abm-field]').forEach(function (one) {
      if (/^(password|email|file)$/.test(one.type) || (/^(checkbox|radio)$/.test(one.type) && !one.checked)) return;
      fields[one.getAttribute('data-abm-field') || one.name] = String(one.value).slice(0, 200);
    });
    return fields;
  }
  function onSubmit(event) {
    var form = event.target;
    if (!form.hasAttribute('data-abm')) return;
    add('form', {form: form.getAttribute('data-abm') || form.id || 'form', fields: fieldsOf(form)});
    flush();
  }
  function onClick(event) {
    var link = event.target.closest && event.target.closest('a[href]');
    if (!link || event.button > 1) return;
    var ending = (/\.([a-z0-9]+)$/i.exec(link.pathname || '') || ['', ''])[1].toLowerCase();
    if (!link.hasAttribute('download') && files.indexOf(ending) < 0) return;
    add('download', {file: clean(link.href)});
    flush();
  }

  /* Two people at one browser are two visitors: the token of another one begins a new visitor, and is of no more use. */
  function identify(token) {
    lastToken = String(token);
    if (!isOn) return;
    var text = lastToken.split('.')[0].replace(/-/g, '+').replace(/_/g, '/');
    var claims = JSON.parse(atob(text)), mark = 0;
    String(claims.email).trim().toLowerCase().split('').forEach(function (sign) {
      mark = (mark * 31 + sign.charCodeAt(0)) >>> 0;
    });
    var known = kept('abm_i');
    if (known && known !== String(mark)) reset();
    if (claims.visitor !== visitor()) return;
    keep('abm_i', String(mark), YEAR);
    add('identify', {token: lastToken});
  }
  function reset() {
    flush();
    ['abm_v', 'abm_s', 'abm_i'].forEach(forget);
  }
  function consent(isGiven) {
    isAllowed = isGiven === true;
    if (isAllowed) return start();
    isOn = false;
    queue = [];
    lastPage = '';
    reset();
    waiting().forEach(forget);
  }
  function isRefused() {
    return (signals.indexOf('gpc') >= 0 && navigator.globalPrivacyControl === true) ||
      (signals.indexOf('dnt') >= 0 && navigator.doNotTrack === '1');
  }
  function start() {
    if (isOn || !isAllowed || isRefused()) return;
    if (document.prerendering) return document.addEventListener('prerenderingchange', safe(start), {once: true});
    isOn = true;
    sendAgain();
    view(isEntering());
    if (lastToken) identify(lastToken);
  }

  /* Whatever fails here, the page goes on. */
  function safe(call) {
    return function () {
      try { return call.apply(this, arguments); } catch (failed) { /* the visit is not told */ }
    };
  }
  var calls = {
    consent: consent,
    identify: identify,
    reset: reset,
    login: function () { add('login'); },
    signup: function () { add('signup'); },
    form: function (name, fields) { add('form', {form: String(name || 'form'), fields: fields || {}}); },
    download: function (url) { add('download', {file: clean(String(url))}); },
    event: function (name, fields) { add('event', {name: String(name), fields: fields || {}}); },
    page: function () { lastPage = ''; view(); },
    visitor: function (tell) { if (isOn) tell(visitor()); }
  };
  function abm(name) {
    if (calls[name]) safe(calls[name]).apply(null, [].slice.call(arguments, 1));
  }
  abm.isLoaded = true;
  window.abm = abm;

  var push = history.pushState;
  history.pushState = function () {
    var result = push.apply(this, arguments);
    safe(view)();
    return result;
  };
  addEventListener('popstate', safe(function () { view(); }));
  addEventListener('pageshow', safe(function (event) { if (event.persisted) { lastPage = ''; view(); sendAgain(); } }));
  addEventListener('pagehide', safe(flush));
  addEventListener('online', safe(function () { if (isOn) sendAgain(); }));
  document.addEventListener('visibilitychange', safe(function () { if (document.visibilityState === 'hidden') flush(); }));
  document.addEventListener('submit', safe(onSubmit), true);
  document.addEventListener('click', safe(onClick), true);
  document.addEventListener('auxclick', safe(onClick), true);
  setInterval(safe(function () { if (isOn) sendAgain(); }), 60000);

  var early = [].slice.call((stub && stub.q) || []);
  early.forEach(function (call) { if (call[0] === 'consent') abm.apply(null, call); });
  safe(start)();
  early.forEach(function (call) { if (call[0] !== 'consent') abm.apply(null, call); });
})();
