use signal_bench::Report;

/// The report as one line under a header. Columns are added at the end; the last ones are those of
/// a cluster, and only there with one.
pub(crate) fn render(report: &Report) -> String {
    let plan = &report.plan;
    let latency = &report.latency;
    let faults = report.faults;
    let process = report.process.as_ref();
    let if_known = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    let mut columns = vec![
        ("scenario", plan.scenario.to_string()),
        ("rooms", plan.rooms.to_string()),
        ("members", plan.members.to_string()),
        ("window", plan.window.to_string()),
        ("bytes", plan.bytes.to_string()),
        ("connections", report.connections.to_string()),
        ("seconds", report.seconds.to_string()),
        ("deliveries", report.deliveries.to_string()),
        (
            "deliveries_per_second",
            report.deliveries_per_second.to_string(),
        ),
        ("p50_ms", latency.p50_ms.to_string()),
        ("p99_ms", latency.p99_ms.to_string()),
        ("p99_9_ms", latency.p99_9_ms.to_string()),
        ("max_ms", latency.max_ms.to_string()),
        ("lost", faults.lost.to_string()),
        ("duplicated", faults.duplicated.to_string()),
        ("reordered", faults.reordered.to_string()),
        ("foreign", faults.foreign.to_string()),
        ("generator_idle", report.generator.idle.to_string()),
        (
            "cpu_us_per_delivery",
            if_known(process.map(|process| process.cpu_us_per_delivery)),
        ),
        (
            "memory_per_connection",
            if_known(process.and_then(|process| process.memory_per_connection)),
        ),
    ];
    if let Some(cluster) = &report.cluster {
        let (crossed, bus) = (&cluster.crossed, cluster.bus.as_ref());
        columns.extend([
            ("nodes", cluster.nodes.len().to_string()),
            ("crossed_share", crossed.share.to_string()),
            ("crossed_p50_ms", crossed.latency.p50_ms.to_string()),
            ("crossed_p99_ms", crossed.latency.p99_ms.to_string()),
            (
                "bus_cpu_us_per_delivery",
                if_known(bus.map(|bus| bus.cpu_us_per_delivery)),
            ),
        ]);
    }
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let values: Vec<&str> = columns.iter().map(|(_, value)| value.as_str()).collect();
    format!("{}\n{}\n", names.join(","), values.join(","))
}
