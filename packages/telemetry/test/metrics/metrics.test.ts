// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { createMetrics, exposeProcessMetrics } from "../../src/index.ts";

const opened = { name: "istio_tcp_connections_opened_total", help: "Opened", labels: ["reporter", "flags"] } as const;

describe("exposition", () => {
  it("names counters rightly in both formats, however often and in whatever order they are scraped", async () => {
    const metrics = createMetrics();
    metrics.counter(opened).with({ reporter: "source", flags: "-" }).add(3);
    const text = [
      "# HELP istio_tcp_connections_opened_total Opened",
      "# TYPE istio_tcp_connections_opened_total counter",
      'istio_tcp_connections_opened_total{reporter="source",flags="-"} 3',
      "",
    ].join("\n");
    const openMetrics = [
      "# HELP istio_tcp_connections_opened Opened",
      "# TYPE istio_tcp_connections_opened counter",
      'istio_tcp_connections_opened_total{reporter="source",flags="-"} 3',
      "# EOF",
      "",
    ].join("\n");
    for (let i = 0; i < 2; i++) {
      expect(await metrics.render("openmetrics")).toBe(openMetrics);
      expect(await metrics.render("prometheus")).toBe(text);
    }
  });

  it("keeps the name of a counter without _total where the format allows it", async () => {
    const metrics = createMetrics();
    metrics.counter({ name: "pilot_xds_pushes", help: "Pushes" }).with({}).add(2);
    expect(await metrics.render("prometheus")).toContain("# TYPE pilot_xds_pushes counter\npilot_xds_pushes 2\n");
    expect(await metrics.render("openmetrics")).toContain(
      "# TYPE pilot_xds_pushes counter\npilot_xds_pushes_total 2\n",
    );
  });

  it("writes gauges and histograms, with the buckets cumulated", async () => {
    const metrics = createMetrics();
    const gauge = metrics.gauge({ name: "workload_manager_active_proxy_count", help: "Active" }).with({});
    gauge.set(5);
    gauge.add(-2);
    gauge.add();
    const seconds = metrics
      .histogram({ name: "dns_seconds", help: "Seconds", labels: ["type"], buckets: [0.0005, 1] })
      .with({ type: "a" });
    for (const value of [0.0005, 0.5, 0.75, 3, Number.NaN]) seconds.observe(value);
    expect(await metrics.render("prometheus")).toMatchInlineSnapshot(`
      "# HELP workload_manager_active_proxy_count Active
      # TYPE workload_manager_active_proxy_count gauge
      workload_manager_active_proxy_count 4
      # HELP dns_seconds Seconds
      # TYPE dns_seconds histogram
      dns_seconds_bucket{le="0.0005",type="a"} 1
      dns_seconds_bucket{le="1",type="a"} 3
      dns_seconds_bucket{le="+Inf",type="a"} 4
      dns_seconds_sum{type="a"} 4.2505
      dns_seconds_count{type="a"} 4
      "
    `);
    expect(await metrics.render("openmetrics")).toContain('dns_seconds_bucket{le="+Inf",type="a"} 4\n');
  });

  it("leaves out families without samples", async () => {
    const metrics = createMetrics();
    const family = metrics.counter(opened);
    expect(await metrics.render("prometheus")).toBe("");
    expect(await metrics.render("openmetrics")).toBe("# EOF\n");
    family.with({ reporter: "source", flags: "-" }).add();
    family.remove({ reporter: "source", flags: "-" });
    expect(await metrics.render("prometheus")).toBe("");
  });

  it("escapes label values", async () => {
    const metrics = createMetrics();
    metrics
      .gauge({ name: "g", help: "G", labels: ["l"] })
      .with({ l: 'a"b\\c\nd' })
      .set(1);
    expect(await metrics.render("prometheus")).toContain('g{l="a\\"b\\\\c\\nd"} 1\n');
  });

  it("reads values at the scrape", async () => {
    const metrics = createMetrics();
    const gauge = metrics.gauge({ name: "g", help: "G" }).with({});
    let value = 1;
    const reading = metrics.onScrape(() => gauge.set(value++));
    expect(await metrics.render("prometheus")).toContain("g 1\n");
    expect(await metrics.render("prometheus")).toContain("g 2\n");
    reading[Symbol.dispose]();
    expect(await metrics.render("prometheus")).toContain("g 2\n");
  });

  it("knows the process", async () => {
    const metrics = createMetrics();
    using _process = exposeProcessMetrics(metrics);
    const text = await metrics.render("prometheus");
    for (const name of ["process_open_fds", "process_max_fds", "process_resident_memory_bytes"]) {
      expect(text).toMatch(new RegExp(`^${name} [1-9]\\d*$`, "m"));
    }
    expect(text).toMatch(/^process_cpu_seconds_total \d/m);
  });
});

describe("series", () => {
  it("is found again by its labels and forgotten when removed", async () => {
    const metrics = createMetrics();
    const family = metrics.counter(opened);
    const labels = { reporter: "source", flags: "-" };
    const series = family.with(labels);
    expect(family.with({ flags: "-", reporter: "source" })).toBe(series);
    family.remove(labels);
    expect(family.with(labels)).not.toBe(series);
  });

  it("ignores amounts that would break a counter", async () => {
    const metrics = createMetrics();
    const series = metrics.counter({ name: "c_total", help: "C" }).with({});
    for (const amount of [2, -1, Number.NaN, 0]) series.add(amount);
    expect(await metrics.render("prometheus")).toContain("c_total 2\n");
  });

  it("is bounded per family; what is too much is gathered and counted", async () => {
    const metrics = createMetrics({ maxSeriesPerFamily: 2 });
    const family = metrics.counter(opened);
    for (const flags of ["a", "b", "c", "d", "c"]) family.with({ reporter: "source", flags }).add();
    family.with({ reporter: "source", flags: "a" }).add();
    expect(await metrics.render("prometheus")).toMatchInlineSnapshot(`
      "# HELP ambientmesh_metric_series_overflow_total Requests for a new series that a full metric family answered with its overflow series
      # TYPE ambientmesh_metric_series_overflow_total counter
      ambientmesh_metric_series_overflow_total{family="istio_tcp_connections_opened_total"} 3
      # HELP istio_tcp_connections_opened_total Opened
      # TYPE istio_tcp_connections_opened_total counter
      istio_tcp_connections_opened_total{reporter="source",flags="a"} 2
      istio_tcp_connections_opened_total{reporter="source",flags="b"} 1
      istio_tcp_connections_opened_total{reporter="overflow",flags="overflow"} 3
      "
    `);
    family.remove({ reporter: "source", flags: "a" });
    family.with({ reporter: "source", flags: "c" }).add();
    expect(await metrics.render("prometheus")).toContain('flags="c"} 1\n');
  });

  test("different label values never share a series", () => {
    const value = fc.oneof(fc.string(), fc.constantFrom("a", "a,b:", "1:", "", "b:1", "\0"));
    const labels = fc.record({ reporter: value, flags: value });
    fc.assert(
      fc.property(labels, labels, (a, b) => {
        const family = createMetrics().counter(opened);
        expect(family.with(a) === family.with(b)).toBe(a.reporter === b.reporter && a.flags === b.flags);
      }),
    );
  });
});

describe("declarations", () => {
  it("gives the same family for the same declaration", () => {
    const metrics = createMetrics();
    expect(metrics.counter(opened)).toBe(metrics.counter({ ...opened, help: "Other words" }));
  });

  it.each([
    ["another type", (m: ReturnType<typeof createMetrics>) => m.gauge({ ...opened })],
    ["other labels", (m: ReturnType<typeof createMetrics>) => m.counter({ ...opened, labels: ["reporter"] })],
    [
      "the name of its OpenMetrics family",
      (m: ReturnType<typeof createMetrics>) => m.gauge({ name: "istio_tcp_connections_opened", help: "x" }),
    ],
  ])("refuses %s under the same name", (_what, declare) => {
    const metrics = createMetrics();
    metrics.counter(opened);
    expect(() => declare(metrics)).toThrow(expect.objectContaining({ code: "METRIC_CONFLICT" }) as Error);
  });

  it.each([
    { name: "no-total", help: "x" },
    { name: "1_total", help: "x" },
    { name: "a_total", help: "" },
    { name: "a_total", help: 'with "quotes"' },
    { name: "a_total", help: "x", labels: ["a-b"] },
    { name: "a_total", help: "x", labels: ["__name__"] },
    { name: "a_total", help: "x", labels: ["a", "a"] },
  ])("refuses %o", (spec) => {
    expect(() => createMetrics().counter(spec)).toThrow(expect.objectContaining({ code: "METRIC_INVALID" }) as Error);
  });

  it.each([[[2, 1]], [[1, 1]], [[Infinity]], [[Number.NaN]]])("refuses buckets %o", (buckets) => {
    const spec = { name: "h", help: "x", buckets };
    expect(() => createMetrics().histogram(spec)).toThrow(expect.objectContaining({ code: "METRIC_INVALID" }) as Error);
    const withLe = { name: "h", help: "x", buckets: [1], labels: ["le"] };
    expect(() => createMetrics().histogram(withLe)).toThrow("bucket's own");
  });
});
