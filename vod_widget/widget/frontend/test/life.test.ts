import { describe, expect, it } from "vitest";
import { open, settle } from "./page";

describe("a kernel that has not answered yet", () => {
  it("is known by its traits, whether a cell keeps it busy or the notebook was saved", async () => {
    const page = await open([], (kernel) => {
      kernel.alive = false;
      Object.assign(kernel.traits, { state: "Start", total: 4, done: 1, failed: 1, progress: 0.25, speed: 1000 });
    });
    const strip = (): string => page.root.querySelector(".strip")?.textContent ?? "";
    expect(strip()).toMatch(/^25 %.*1 done.*1 failed.*2 left/);
    expect(strip()).not.toContain(" B of ");
    await settle(15_000);
    expect(page.root.querySelector(".ban")?.textContent).toBe("No answer from the kernel. Wait while a cell runs; else run this cell again, or reload the page.");
    expect(page.root.textContent).not.toContain("No file matches");
    Object.assign(page.kernel.traits, { progress: 0.5, done: 2 });
    page.kernel.emit("change");
    await settle(1_500);
    expect(strip()).toMatch(/^50 %.*2 done/);
    page.kernel.alive = true;
    await settle(13_000);
    expect(strip()).toBe("No files yet"); // what it says counts, not what was saved
  });
});

describe("a page that is left", () => {
  it("says so", async () => {
    const page = await open();
    window.dispatchEvent(new Event("beforeunload"));
    expect(page.kernel.sent.at(-1)).toMatchObject({ kind: "bye", token: "page-token" });
  });

  it("is not listened to any more when the widget is closed", async () => {
    const page = await open();
    page.close();
    const said = page.kernel.sent.length;
    window.dispatchEvent(new Event("beforeunload"));
    expect(page.kernel.sent.length).toBe(said);
  });
});
