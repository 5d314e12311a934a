# pairs.h5 -> features of each view -> split.h5 -> PCA of a view


rule encode:
    input:
        pairs=f"{ARTEFACTS}/{{dataset}}/pairs.h5",
        raw=lambda w: raw_for(w.dataset, w.encoder),
        code=lambda w: sources("pipeline.features.encode", module_of_encoder(w.encoder)),
    output:
        features=f"{ARTEFACTS}/{{dataset}}/{{view}}/{{encoder}}.h5",
        about=f"{ARTEFACTS}/{{dataset}}/{{view}}/{{encoder}}.json",
    log:
        "logs/encode/{dataset}/{view}-{encoder}.log",
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        gpu=lambda w: gpu_for(module_of_encoder(w.encoder)),
        mem_mb=lambda w, attempt: 8000 * attempt,
        runtime=lambda w, attempt: 240 * attempt,
    params:
        options=lambda w: json.dumps(config["encoders"][w.encoder]),
        device=config["device"],
    shell:
        "python -m pipeline encode {wildcards.view} --pairs {input.pairs:q}"
        " --options {params.options:q} --device {params.device} --out {output.features:q}"
        " --about {output.about:q} --log {log:q}"


rule split:
    input:
        pairs=f"{ARTEFACTS}/{{dataset}}/pairs.h5",
        image=lambda w: encoded(w, "image"),
        text=lambda w: encoded(w, "text"),
        lists=lambda w: plan.split_files(config, w.split),
        code=sources("pipeline.splits"),
    output:
        splits=f"{ARTEFACTS}/{{dataset}}/{{features}}/{{split}}/split.h5",
        table=f"{ARTEFACTS}/{{dataset}}/{{features}}/{{split}}/split.csv",
    log:
        "logs/split/{dataset}/{features}/{split}.log",
    conda:
        ENVIRONMENT
    params:
        options=lambda w: json.dumps(plan.split_params(config, w.split)),
        seeds=config["seeds"],
    shell:
        "python -m pipeline split --dataset {wildcards.dataset:q} --pairs {input.pairs:q}"
        " --image {input.image:q} --text {input.text:q} --options {params.options:q}"
        " --seeds {params.seeds} --out {output.splits:q} --table {output.table:q} --log {log:q}"


rule pca:
    input:
        features=lambda w: encoded(w, w.view),
        splits=f"{ARTEFACTS}/{{dataset}}/{{features}}/{{split}}/split.h5",
        code=sources("pipeline.features.reduce"),
    output:
        features=f"{ARTEFACTS}/{{dataset}}/{{features}}/{{split}}/{{view}}-pca.h5",
        axes=pca_axes(f"{ARTEFACTS}/{{dataset}}/{{features}}/{{split}}", "{view}"),
    log:
        "logs/pca/{dataset}/{features}/{split}-{view}.log",
    conda:
        ENVIRONMENT
    # One thread, whatever --cores: the order of additions moves the last bits of a component.
    threads: 1
    resources:
        gpu=gpu_for("pipeline.features.reduce"),
        mem_mb=lambda w, attempt: 8000 * attempt,
        runtime=lambda w, attempt: 60 * attempt,
    params:
        components=lambda w: config["features"][w.features][f"{w.view}_pca"],
        device=config["device"],
    shell:
        "python -m pipeline pca --features {input.features:q} --splits {input.splits:q}"
        " --components {params.components} --device {params.device} --out {output.features:q}"
        " --axes {output.axes:q} --log {log:q}"
