# features + split -> codes.h5 -> metrics, all seeds of a setting in one job


rule train:
    input:
        unpack(about_views),
        image=lambda w: view_of(w, "image"),
        text=lambda w: view_of(w, "text"),
        splits=f"{ARTEFACTS}/{{dataset}}/{{features}}/{{split}}/split.h5",
        code=lambda w: sources("pipeline.training", method_module(w.method)),
    output:
        codes=f"{CELL}/codes.h5",
        models=model_files("model.json", "hasher.safetensors"),
    log:
        text="logs/train/{dataset}/{features}/{split}/{method}/{bits}.log",
        records="logs/train/{dataset}/{features}/{split}/{method}/{bits}.jsonl",
    conda:
        ENVIRONMENT
    # One thread, whatever --cores: the order of additions, and with it every code, stays the same.
    threads: 1
    resources:
        gpu=lambda w: gpu_for(method_module(w.method)),
        mem_mb=lambda w, attempt: 6000 * attempt,
        runtime=lambda w, attempt: 60 * attempt,
    params:
        method=lambda w: parse_name(w.method)[0],
        params=lambda w: json.dumps(plan.method_params(config, w.method)[1]),
        device=config["device"],
        models=lambda w, input: model_arguments(w, input),
    shell:
        "python -m pipeline train {params.method:q} --bits {wildcards.bits}"
        " --params {params.params:q} --device {params.device}"
        " --image {input.image:q} --text {input.text:q} --splits {input.splits:q}"
        " --out {output.codes:q} --log {log.text:q} --records {log.records:q} {params.models}"


rule evaluate:
    input:
        codes=f"{CELL}/codes.h5",
        splits=f"{ARTEFACTS}/{{dataset}}/{{features}}/{{split}}/split.h5",
        pairs=f"{ARTEFACTS}/{{dataset}}/pairs.h5",
        code=sources("pipeline.evaluation.tasks"),
    output:
        metrics=f"{CELL}/{{phase}}.h5",
        told=model_files("{phase}.json"),
    log:
        "logs/evaluate/{dataset}/{features}/{split}/{method}/{bits}-{phase}.log",
    conda:
        ENVIRONMENT
    # Seconds: many at once, each on one thread, share the cores best.
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 4000 * attempt,
        runtime=30,
    params:
        map_at=config["evaluation"]["map_at"],
        models=f"--models {CELL}/models" if config["keep_models"] else "",
    shell:
        "python -m pipeline evaluate --codes {input.codes:q} --splits {input.splits:q}"
        " --pairs {input.pairs:q} --phase {wildcards.phase} --map-at {params.map_at}"
        " --threads {threads} --out {output.metrics:q} --log {log:q} {params.models}"
