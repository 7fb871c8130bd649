// A second service of the same process: puts objects to sleep, moves their clock, and connects clients with grants of the test's
// making.

import unsafe from "workerd:unsafe";

export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url);
    const stub = env.ROOMS.get(env.ROOMS.idFromName(searchParams.get("object")));
    if (pathname === "/evict") {
      try {
        await unsafe.evict(stub, { webSockets: "hibernate" });
      } catch (error) {
        // It sleeps already.
        if (!String(error).includes("not currently running")) throw error;
      }
      return new Response("asleep");
    }
    if (pathname === "/advance") {
      return stub.fetch(request.url, { headers: { "x-test-advance": searchParams.get("ms") } });
    }
    const headers = new Headers(request.headers);
    headers.set("x-signal-peer", searchParams.get("peer"));
    return stub.fetch(new Request(request, { headers }));
  },
};
