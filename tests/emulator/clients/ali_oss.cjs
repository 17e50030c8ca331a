// The vendor's own Node client: reads one JSON object from stdin, prints what it saw as JSON.
"use strict";

const OSS = require("ali-oss");

async function attempt(work) {
  try {
    const value = await work();
    return { ok: true, value };
  } catch (error) {
    return { ok: false, code: error.code, status: error.status, name: error.name };
  }
}

async function main() {
  const task = JSON.parse(require("fs").readFileSync(0, "utf8"));
  const client = new OSS({
    region: `oss-${task.region}`,
    endpoint: task.endpoint,
    accessKeyId: task.accessKeyId,
    accessKeySecret: task.accessKeySecret,
    stsToken: task.securityToken || undefined,
    bucket: task.bucket,
    authorizationV4: task.v4,
    retryMax: 0,
    timeout: 20000,
  });
  const seen = {};
  seen.put = await attempt(async () => (await client.put(task.key, Buffer.from("hello"))).res.status);
  seen.head = await attempt(async () => (await client.head(task.key)).res.headers["content-length"]);
  seen.get = await attempt(async () => (await client.get(task.key)).content.toString());
  const parts = [];
  seen.multipart = await attempt(async () => {
    const done = await client.multipartUpload(task.key, task.file, {
      partSize: 102400,
      parallel: 3,
      progress: (p, checkpoint) => parts.push([p, checkpoint && checkpoint.uploadId]),
      headers: { "x-oss-notification": task.notification },
    });
    return done.res.status;
  });
  seen.progress = parts.map((item) => item[0]);
  seen.resumed = await attempt(async () => {
    // Stop after the second part, then go on with the checkpoint, as the browser SDK does.
    let saved;
    const stopper = new OSS(Object.assign({}, client.options, { bucket: task.bucket }));
    await stopper
      .multipartUpload(task.key, task.file, {
        partSize: 102400,
        parallel: 1,
        progress: (p, checkpoint) => {
          if (checkpoint && checkpoint.doneParts.length === 2 && !saved) {
            saved = JSON.parse(JSON.stringify(checkpoint));
            stopper.cancel();
          }
        },
      })
      .catch((error) => {
        if (error.name !== "cancel") throw error;
      });
    saved.file = task.file;
    const listed = await client.listParts(task.key, saved.uploadId);
    const done = await client.multipartUpload(task.key, task.file, { checkpoint: saved, parallel: 2 });
    return [[].concat(listed.parts).length, done.res.status];
  });
  seen.append = await attempt(async () => {
    const first = await client.append(task.other, Buffer.from("abc"));
    const second = await client.append(task.other, Buffer.from("def"), { position: first.nextAppendPosition });
    return second.nextAppendPosition;
  });
  seen.list = await attempt(async () => (await client.list({ prefix: task.prefix, "max-keys": 10 })).objects.map((o) => o.name));
  seen.list2 = await attempt(async () => (await client.listV2({ prefix: task.prefix })).objects.map((o) => o.name));
  seen.uploads = await attempt(async () => (await client.listUploads({ "max-uploads": 10 })).uploads.length);
  seen.deleteMulti = await attempt(async () => (await client.deleteMulti([task.other])).deleted.length);
  seen.signed = await attempt(async () =>
    task.v4 ? await client.signatureUrlV4("GET", 60, {}, task.key) : client.signatureUrl(task.key, { expires: 60 }),
  );
  process.stdout.write(JSON.stringify(seen));
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
