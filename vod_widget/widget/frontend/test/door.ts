/** In tests the panels come from their sources. */
import * as panels from "../src/panels";

export async function run(): Promise<typeof panels> {
  return panels;
}
