/** Pixels of pictures: a row's small one, from the picked image, the first frame of a picked video or the kernel's machine, and covers. */
import { h } from "./dom";
import type { Row } from "./protocol";
import type { Session } from "./session";

const WIDTH = 68;
const HEIGHT = 48;
const FRAME_MS = 20_000;
const COVER_WIDTH = 1920;
/** Beyond what cameras make: some kilobytes of a PNG can unpack to gigabytes, and a page that unpacks them is gone. */
const MOST_PIXELS = 60e6;
const MOST_BYTES = 100e6;

export type Picture = HTMLCanvasElement | null;

/** A row's small picture; null when there is none. */
export async function picture_of({ feeder, connection }: Session, { file_id, media_type }: Row): Promise<Picture> {
  const file = feeder.file(file_id);
  if (file) return media_type === "video" ? frame(file, WIDTH) : image_canvas(file);
  const { buffer } = await connection.request("thumbnail", { file_id });
  return buffer ? image_canvas(new Blob([buffer as DataView<ArrayBuffer>])) : null;
}

/** Fills the canvas as `object-fit: cover` does. */
function canvas_of(source: CanvasImageSource & { width: number; height: number }, width: number, height: number, from = source as { width: number; height: number }): Picture {
  const canvas = h("canvas", { width, height, "aria-hidden": "true" });
  const context = canvas.getContext("2d");
  if (!context || !from.width || !from.height) return null;
  const scale = Math.max(width / from.width, height / from.height);
  const [w, hh] = [from.width * scale, from.height * scale];
  context.drawImage(source, (width - w) / 2, (height - hh) / 2, w, hh);
  return canvas;
}

/** An image says how large it is before anything is unpacked; a bitmap would be unpacked at once. */
async function shrunk(blob: Blob, size: (width: number, height: number) => [number, number]): Promise<Picture> {
  if (blob.size > MOST_BYTES) return null;
  const url = URL.createObjectURL(blob);
  const image = new Image();
  try {
    await new Promise((resolve, reject) => {
      image.onload = resolve;
      image.onerror = reject;
      image.src = url;
    });
    const { naturalWidth: width, naturalHeight: height } = image;
    if (width * height > MOST_PIXELS) return null;
    // An image that breaks off is drawn as nothing, without a word; a bitmap of it is refused.
    const bitmap = await createImageBitmap(blob);
    const made = canvas_of(bitmap, ...size(width, height));
    bitmap.close();
    return made;
  } finally {
    URL.revokeObjectURL(url);
  }
}

const image_canvas = (blob: Blob): Promise<Picture> => shrunk(blob, () => [WIDTH, HEIGHT]);

/** False for a file that has the name of a picture and is none, or breaks off. */
export async function is_whole(picture: Blob): Promise<boolean> {
  return typeof createImageBitmap === "undefined" || await image_canvas(picture).catch(() => null) !== null;
}

/** The frame of a video at a second, or earlier in a short one; null when the browser cannot decode it. */
async function frame(file: Blob, width: number): Promise<Picture> {
  const url = URL.createObjectURL(file);
  const video = document.createElement("video");
  try {
    video.muted = true;
    video.preload = "auto";
    const ready = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("late")), FRAME_MS);
      video.onerror = () => reject(new Error("no video"));
      video.onloadedmetadata = () => { video.currentTime = Math.min(1, video.duration / 2 || 0); };
      video.onseeked = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    video.src = url;
    await ready;
    const size = { width: video.videoWidth, height: video.videoHeight };
    return canvas_of(video, width, width === WIDTH ? HEIGHT : Math.round((width * size.height) / size.width), size);
  } catch {
    return null;
  } finally {
    video.removeAttribute("src");
    video.load();
    URL.revokeObjectURL(url);
  }
}

function jpeg_of(canvas: Picture): Promise<Blob | null> {
  return canvas ? new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.88)) : Promise.resolve(null);
}

/** Any picture that the browser can read, as a JPEG of at most 1920 pixels; null when it cannot. */
export async function to_jpeg(picture: Blob): Promise<Blob | null> {
  return jpeg_of(await shrunk(picture, (width, height) => {
    const to = Math.min(COVER_WIDTH, width);
    return [to, Math.round((to * height) / width)];
  }).catch(() => null));
}

/** A frame in full size, for a cover. */
export async function frame_jpeg(file: Blob): Promise<Blob | null> {
  return jpeg_of(await frame(file, 1280));
}
