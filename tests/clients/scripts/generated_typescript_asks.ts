// One call of each operation of both services, typed by what openapi-typescript has made of their documents.
// Run in the folder of the generated types and the documents: node generated_typescript_asks.js BASE

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import createClient, { type Middleware } from "openapi-fetch";
import type { paths as Features } from "./features.js";
import type { paths as Predictions } from "./predictions.js";

const base = process.argv[2];
const asked = new Set<string>();
const noting = (service: string): Middleware => ({
  onRequest({ request, schemaPath }) {
    asked.add(`${service} ${request.method} ${schemaPath}`);
  },
});
const features = createClient<Features>({ baseUrl: `${base}/feature-service` });
features.use(noting("features"));
const predictions = createClient<Predictions>({ baseUrl: `${base}/prediction-service` });
predictions.use(noting("predictions"));

type Said<D> = { data?: D; error?: unknown; response: Response };
function ok<D>(answer: Said<D>): D {
  assert.ok(answer.response.ok, `${answer.response.url} ${answer.response.status} ${JSON.stringify(answer.error)}`);
  return answer.data as D;
}
const is = (answer: { response: Response }, ...statuses: number[]) =>
  assert.ok(statuses.includes(answer.response.status), `${answer.response.url} ${answer.response.status}`);
const text = { parseAs: "text" } as const;
const own = 9000000000001;

async function askFeatures() {
  assert.equal(ok(await features.GET("/health/live")).status, "live");
  assert.equal(ok(await features.GET("/health/ready")).status, "ready");
  const { name, features: meanings } = ok(await features.GET("/feature_definitions"));
  const feature = meanings[0].name;
  const page = ok(await features.GET("/online_feature_store", { params: { query: { limit: 3 } } }));
  const known = page.features[0].client_id;
  const at = { params: { path: { client_id: known } } };
  const vector: Record<string, unknown> = ok(await features.GET("/online_feature_store/client_id={client_id}", at));
  const batch = ok(await features.POST("/online_feature_store/batch", { body: { client_ids: [known, own] } }));
  assert.deepEqual(batch.not_found, [own]);
  const event = { event_timestamp: "2021-01-01T00:00:00Z", [feature]: vector[feature] };
  const mine = { params: { path: { client_id: own } } };
  const written = ok(await features.PUT("/online_feature_store/client_id={client_id}", { ...mine, body: event }));
  assert.ok(written.applied);
  const df = { client_id: [own], event_timestamp: ["2021-01-01T00:00:00"], [feature]: [vector[feature]] } as never;
  const wanted = { features: [`${name}_features:${feature}`], entities: { client_id: [known] } };
  const push = { push_source_name: `${name}_push`, df };
  const write = { feature_view_name: `${name}_features`, df };
  ok(await features.GET("/health", text));
  ok(await features.GET("/feast/health", text));
  for (const answer of [
    await features.POST("/get-online-features", { body: wanted }),
    await features.POST("/feast/get-online-features", { body: wanted }),
  ])
    assert.deepEqual(ok(answer).metadata.feature_names, ["client_id", feature]);
  ok(await features.POST("/push", { body: push, ...text }));
  ok(await features.POST("/feast/push", { body: push, ...text }));
  ok(await features.POST("/write-to-online-store", { body: write, ...text }));
  ok(await features.POST("/feast/write-to-online-store", { body: write, ...text }));
  is(await features.DELETE("/online_feature_store/client_id={client_id}", mine), 204);
  return { known, name };
}

async function askModels(model: string) {
  ok(await predictions.GET("/health/live"));
  ok(await predictions.GET("/health/ready"));
  const version = ok(await predictions.GET("/models")).champion as string;
  const one = { params: { path: { version } } };
  assert.equal(ok(await predictions.GET("/models/{version}", one)).version, version);
  ok(await predictions.GET("/models/{version}/tables", one));
  ok(await predictions.GET("/models/{version}/reference", one));
  ok(await predictions.GET("/models/{version}/dossier", one));
  const named = { params: { path: { model } } };
  const exact = { params: { path: { model, version } } };
  ok(await predictions.GET("/v2"));
  ok(await predictions.GET("/v2/health/live"));
  ok(await predictions.GET("/v2/health/ready"));
  assert.deepEqual(ok(await predictions.GET("/v2/models")).models, [model]);
  assert.equal(ok(await predictions.POST("/v2/repository/index"))[0].name, model);
  ok(await predictions.GET("/v2/models/{model}/ready", named));
  ok(await predictions.GET("/v2/models/{model}/versions/{version}/ready", exact));
  ok(await predictions.GET("/v2/models/{model}/versions/{version}", exact));
  const input = ok(await predictions.GET("/v2/models/{model}", named)).inputs[0].name;
  const body = { inputs: [{ name: input, shape: [1], datatype: "FP64" as const, data: [44] }] };
  const infer = ok(await predictions.POST("/v2/models/{model}/infer", { ...named, body: body as never }));
  assert.equal(infer.outputs[0].name, "probability");
  ok(await predictions.POST("/v2/models/{model}/versions/{version}/infer", { ...exact, body: body as never }));
  for (const path of ["/ping", "/health", "/version"] as const) ok(await predictions.GET(path, text));
  ok(await predictions.POST("/invocations", { body: { dataframe_split: { columns: [input], data: [[44]] } } as never }));
  return input;
}

async function askDecisions(known: number, feature: string) {
  const at = { params: { path: { client_id: known }, query: { explain: true } } };
  const risk = ok(await predictions.GET("/credit_risk/client_id={client_id}", at));
  ok(await predictions.POST("/credit_risk/client_id={client_id}/preview", at));
  ok(await predictions.POST("/credit_risk/batch", { body: { client_ids: [known] } }));
  ok(await predictions.POST("/credit_risk", { body: { [feature]: 44 } as never }));
  const decision_id = risk.decision_id as string;
  const it = { params: { path: { decision_id } } };
  assert.equal(ok(await predictions.GET("/decisions/{decision_id}", it)).decision_id, decision_id);
  const listed = ok(await predictions.GET("/decisions", { params: { query: { client_id: known } } }));
  assert.ok(listed.decisions.some((listed) => listed.decision_id === decision_id));
  ok(await predictions.GET("/decisions/counts"));
  ok(await predictions.POST("/decisions/{decision_id}/replay", it));
  ok(await predictions.POST("/decisions/{decision_id}/reconsider", it));
  ok(await predictions.GET("/decisions/{decision_id}/statement", it));
  const review = { conclusion: "upheld", comment: "seen" } as const;
  is(await predictions.POST("/decisions/{decision_id}/reviews", { ...it, body: review }), 201);
  assert.equal(ok(await predictions.GET("/decisions/{decision_id}/reviews", it)).reviews.length, 1);
  const outcome = { decision_id, observed_at: new Date().toISOString(), defaulted: false };
  ok(await predictions.POST("/outcomes", { body: { outcomes: [outcome] } }));
  for (let left = 100; left; left--) {
    const proof = await predictions.GET("/decisions/{decision_id}/proof", { ...it, ...text });
    if (proof.response.ok) break;
    await new Promise((done) => setTimeout(done, 200));
  }
  const size = Number(ok(await predictions.GET("/decision_log/checkpoint", text)).split("\n")[1]);
  const path = size >= 256 ? "0/000" : `0/000.p/${size}`;
  ok(await predictions.GET("/decision_log/tile/{path}", { params: { path: { path } }, ...text }));
  is(await predictions.DELETE("/decisions", { params: { query: { client_id: own } } }), 204, 404);
}

async function askMonitoring() {
  for (const path of ["stability", "performance", "fairness", "alarms"] as const) {
    ok(await predictions.GET(`/monitoring/${path}`, {}));
  }
  const alarm = { params: { path: { alarm_id: "00000000-0000-0000-0000-000000000001" } } };
  const action = { action: "adopt_reference" } as const;
  is(await predictions.POST("/monitoring/alarms/{alarm_id}/acknowledge", { ...alarm, body: action }), 404);
}

const { known, name } = await askFeatures();
await askDecisions(known, await askModels(name));
await askMonitoring();
for (const service of ["features", "predictions"]) {
  const document = JSON.parse(readFileSync(`${service}.json`, "utf8"));
  for (const [path, methods] of Object.entries(document.paths))
    for (const method of Object.keys(methods as object)) {
      const operation = `${service} ${method.toUpperCase()} ${path}`;
      assert.ok(asked.has(operation), `left out: ${operation}`);
    }
}
console.log(`${asked.size} operations, each called once or more`);
