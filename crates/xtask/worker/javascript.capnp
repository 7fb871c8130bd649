# The host for Workers of packages/signal-relay in workerd. LISTEN and SETTINGS are filled in.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "relay", worker = .relay)],
  sockets = [(name = "relay", address = "LISTEN", http = (), service = "relay")],
);

const relay :Workerd.Worker = (
  modules = [
    (name = "index.js", esModule = embed "javascript.js"),
    (name = "workers.js", esModule = embed "workers.js"),
    (name = "wasm.js", esModule = embed "wasm.js"),
    (name = "relay.js", esModule = embed "relay.js"),
    (name = "module.js", esModule = embed "module.js"),
    (name = "settings.js", esModule = embed "settings.js"),
    (name = "signatures.js", esModule = embed "signatures.js"),
    (name = "authorize.js", esModule = embed "authorize.js"),
    (name = "log.js", esModule = embed "log.js"),
    (name = "web.js", esModule = embed "web.js"),
    (name = "relay.wasm", wasm = embed "relay.wasm"),
  ],
  compatibilityDate = "2026-11-01",
  durableObjectNamespaces = [(className = "Room", uniqueKey = "room")],
  durableObjectStorage = (inMemory = void),
  bindings = [
    (name = "ROOMS", durableObjectNamespace = "Room"),
    (name = "RELAY", json = "SETTINGS"),
  ],
);
