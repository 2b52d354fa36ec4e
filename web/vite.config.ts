import { defineConfig } from "vitest/config";

export default defineConfig({
  // Whatever path the page is served below.
  base: "./",
  resolve: {
    alias: { "hero-supervisor/web": new URL("../clients/typescript/src/web.ts", import.meta.url).pathname },
    // The sources of the client lie outside, and have no packages of their own here.
    dedupe: ["@bufbuild/protobuf", "@connectrpc/connect", "@connectrpc/connect-web"],
  },
  build: {
    target: "es2022",
    // Nothing is written into the page itself, so that its policy can forbid that.
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    modulePreload: false,
    reportCompressedSize: false,
    // What the parts ask to be told is handed out with them.
    license: { fileName: "licenses.txt" },
  },
  test: { include: ["test/**/*.test.ts"], environment: "node" },
});
