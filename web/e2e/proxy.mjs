/** Serves a build of the page in front of a server whose program has another one: for work on the page alone. */
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer, request } from "node:http";
import { extname, join, normalize } from "node:path";

const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };

/** Gives the URL under which the files of `dist` and the calls of `server` are one origin. */
export async function serveFiles(dist, server) {
  const proxy = createServer((incoming, outgoing) => {
    const { host, port } = new URL(server.url);
    if (incoming.method === "GET") {
      const file = join(dist, normalize(new URL(incoming.url, "http://page").pathname));
      const path = existsSync(file) && statSync(file).isDirectory() ? join(file, "index.html") : file;
      if (!existsSync(path)) return outgoing.writeHead(404).end();
      outgoing.writeHead(200, {
        "content-type": TYPES[extname(path)] ?? "application/octet-stream",
        "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'",
      });
      return createReadStream(path).pipe(outgoing);
    }
    const { origin: _page, ...headers } = incoming.headers;
    const call = request({ host: "127.0.0.1", port, method: incoming.method, path: incoming.url, headers: { ...headers, host } }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
      answer.on("error", () => outgoing.destroy());
    });
    call.on("error", () => outgoing.destroy());
    outgoing.on("close", () => call.destroy());
    incoming.pipe(call);
  });
  await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  proxy.unref();
  return `http://127.0.0.1:${proxy.address().port}/`;
}
