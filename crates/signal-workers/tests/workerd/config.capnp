# workerd, as the tests run it. The names in capitals are filled in.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "relay", worker = .relay),
    (name = "control", worker = .control),
    # Where requests of the Worker go: this machine too, for an issuer of a test.
    (name = "internet", network = (allow = ["public", "private"])),
    (name = "disk", disk = (path = "DISK", writable = true)),
  ],
  sockets = [
    (name = "relay", address = "127.0.0.1:RELAY_PORT", http = (), service = "relay"),
    (name = "control", address = "127.0.0.1:CONTROL_PORT", http = (), service = "control"),
  ],
);

const relay :Workerd.Worker = (
  modules = [
    (name = "handles.mjs", esModule = embed "handles.mjs"),
    (name = "index.js", esModule = embed "index.js"),
    (name = "index_bg.wasm", wasm = embed "index_bg.wasm"),
  ],
  compatibilityDate = "2026-11-01",
  durableObjectNamespaces = [(className = "Room", uniqueKey = "room", enableSql = true)],
  durableObjectStorage = (localDisk = "disk"),
  bindings = [
    (name = "ROOMS", durableObjectNamespace = "Room"),
    VARIABLES
  ],
);

const control :Workerd.Worker = (
  modules = [(name = "control.mjs", esModule = embed "control.mjs")],
  compatibilityDate = "2026-11-01",
  compatibilityFlags = ["unsafe_module"],
  bindings = [(name = "ROOMS", durableObjectNamespace = (className = "Room", serviceName = "relay"))],
);
