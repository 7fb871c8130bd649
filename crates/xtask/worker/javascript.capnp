# The host for Workers of packages/signal-relay in workerd. What stands in capitals is filled in.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "relay", worker = .relay)],
  sockets = [(name = "relay", address = "LISTEN", http = (), service = "relay")],
);

const relay :Workerd.Worker = (
  modules = [
    (name = "index.js", esModule = embed "javascript.js"),
    MODULES
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
