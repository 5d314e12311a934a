# raw files -> pairs.h5


# No source file is an input here: nothing that changes in the code makes it right to delete, and
# fetch again, an archive of many gigabytes or one that was put there by hand.
rule download:
    output:
        f"{RAW}/{{dataset}}/{{file}}",
    log:
        "logs/download/{dataset}/{file}.log",
    wildcard_constraints:
        file="|".join(re.escape(f) for f in downloadable()) or "$^",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        kind=lambda w: kind_of(w.dataset),
        folder=subpath(output[0], parent=True),
    shell:
        "python -m pipeline download {params.kind:q} {wildcards.file:q}"
        " --folder {params.folder:q} --log {log:q}"


# A data set that is drawn has all its raw files from one job.
for drawn in (d for d in config["datasets"] if drawing(d) is not None):

    rule:
        name:
            "_".join(["draw", *re.findall(r"\w+", drawn)])
        input:
            code=sources("pipeline.datasets", datasets.drawer(kind_of(drawn)).__name__),
        output:
            [
                f"{raw_folder(drawn)}/{name}"
                for name in datasets.drawer(kind_of(drawn)).DRAWS
            ],
        log:
            f"logs/draw/{drawn}.log",
        conda:
            ENVIRONMENT
        threads: 8
        params:
            kind=kind_of(drawn),
            folder=subpath(output[0], parent=True),
            options=json.dumps(drawing(drawn)),
        shell:
            "python -m pipeline draw {params.kind:q} --folder {params.folder:q}"
            " --options {params.options:q} --workers {threads} --log {log:q}"


rule pairs:
    input:
        raw=lambda w: raw_files(w.dataset),
        code=lambda w: sources(
            "pipeline.datasets", f"pipeline.datasets.{kind_of(w.dataset)}"
        ),
    output:
        f"{ARTEFACTS}/{{dataset}}/pairs.h5",
    log:
        "logs/pairs/{dataset}.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        kind=lambda w: kind_of(w.dataset),
        raw=lambda w: raw_folder(w.dataset),
        options=lambda w: json.dumps(dataset_options(w.dataset)),
    shell:
        "python -m pipeline pairs {params.kind:q} --raw {params.raw:q}"
        " --options {params.options:q} --out {output:q} --log {log:q}"
