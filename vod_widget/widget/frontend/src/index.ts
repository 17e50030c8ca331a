/**
 * The anywidget module. The default export is a factory, called once per model: `initialize` and `render`
 * get different proxies of the model, so what they share can only live in this closure.
 */
import type { Model } from "./protocol";
import { Session } from "./session";
import { View } from "./views/root";

interface Context { model: Model; signal?: AbortSignal }

export default function widget(): {
  initialize: (context: Context) => () => void;
  render: (context: Context & { el: HTMLElement }) => () => void;
} {
  let session: Session | null = null;
  return {
    initialize({ model }) {
      // Must return at once: anywidget delivers no message before this has ended.
      const mine = new Session(model);
      session = mine;
      return () => {
        mine.close();
        if (session === mine) session = null;
      };
    },
    render({ model, el }) {
      // A host that never calls initialize still gets a working widget.
      session ??= new Session(model);
      const view = new View(session, el);
      return () => view.close();
    },
  };
}
