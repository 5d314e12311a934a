# metrics -> tables, figures, report


wildcard_constraints:
    only="|".join(["", *(re.escape(f"{d}/") for d in config["datasets"])]),


rule table:
    input:
        cells=cell_files,
        code=sources("pipeline.results.tables"),
    output:
        csv=report(
            f"{RESULTS}/{{only}}{{experiment}}.csv",
            category="Tables",
            labels={"result": "{experiment}", "form": "long CSV"},
        ),
        md=f"{RESULTS}/{{only}}{{experiment}}.md",
        tex=f"{RESULTS}/{{only}}{{experiment}}.tex",
    params:
        spec=lambda w: json.dumps(spec_of(w)),
    log:
        "logs/results/{only}{experiment}.log",
    wildcard_constraints:
        experiment="|".join(re.escape(e) for e in config["experiments"] if is_table(e)) or "$^",
    localrule: True
    conda:
        ENVIRONMENT
    shell:
        "python -m pipeline table --spec {params.spec:q} --out {output.csv:q} --log {log:q}"


rule figure:
    input:
        cells=cell_files,
        code=sources("pipeline.results.curves"),
    output:
        png=report(
            f"{RESULTS}/{{only}}{{experiment}}.png",
            category="Figures",
            labels={"result": "{experiment}", "form": "picture"},
        ),
        svg=f"{RESULTS}/{{only}}{{experiment}}.svg",
        csv=f"{RESULTS}/{{only}}{{experiment}}.csv",
    params:
        spec=lambda w: json.dumps(spec_of(w)),
    log:
        "logs/results/{only}{experiment}.log",
    wildcard_constraints:
        experiment="|".join(re.escape(e) for e in config["experiments"] if not is_table(e)) or "$^",
    localrule: True
    conda:
        ENVIRONMENT
    shell:
        "python -m pipeline figure --spec {params.spec:q} --out {output.png:q} --log {log:q}"
