# metrics -> tables, figures, report
#
# Specs are handed over as files, <(printf ...): one word of a command may hold 131,072 bytes, which
# are 300 to 500 cells. printf is built into bash and knows no such limit.


wildcard_constraints:
    only="|".join(["", *(re.escape(f"{d}/") for d in config["datasets"])]),


rule table:
    input:
        cells=cell_files,
        code=sources("pipeline.results.tables"),
        paper=data_of("results/paper", "*.csv"),
    output:
        csv=report(
            f"{RESULTS}/{{only}}{{experiment}}.csv",
            caption="../report/table.rst",
            category="Tables",
            labels={"result": "{experiment}", "form": "long CSV"},
        ),
        md=f"{RESULTS}/{{only}}{{experiment}}.md",
        tex=f"{RESULTS}/{{only}}{{experiment}}.tex",
        spec=f"{RESULTS}/{{only}}{{experiment}}.json",
    log:
        "logs/results/{only}{experiment}.log",
    wildcard_constraints:
        experiment=named(is_table),
    localrule: True
    conda:
        ENVIRONMENT
    params:
        spec=lambda w: json.dumps(spec_of(w)),
        title=lambda w: config["experiments"][w.experiment]["title"],
    shell:
        "python -m pipeline table --spec <(printf %s {params.spec:q}) --out {output.csv:q}"
        " --log {log:q}"


rule rankings:
    input:
        tables=lambda w: tables_of(w.experiment),
        specs=lambda w: [f"{t[:-4]}.json" for t in tables_of(w.experiment)],
        code=sources("pipeline.results.leaderboard"),
        origins=lambda w: method_files(w.experiment),
        templates=data_of("results/templates"),
    output:
        csv=report(
            f"{RESULTS}/{{experiment}}.csv",
            caption="../report/table.rst",
            category="Tables",
            labels={"result": "{experiment}", "form": "ranks, CSV"},
        ),
        md=f"{RESULTS}/{{experiment}}.md",
        html=f"{RESULTS}/{{experiment}}.html",
        spec=f"{RESULTS}/{{experiment}}.json",
    log:
        "logs/results/{experiment}.log",
    wildcard_constraints:
        experiment=named(is_rankings),
    localrule: True
    conda:
        ENVIRONMENT
    params:
        spec=lambda w: json.dumps(plan.rankings_spec(config, w.experiment)),
        title=lambda w: config["experiments"][w.experiment]["title"],
    shell:
        "python -m pipeline rankings --spec <(printf %s {params.spec:q}) --out {output.csv:q}"
        " --log {log:q}"


rule figure:
    input:
        cells=cell_files,
        code=sources("pipeline.results.curves"),
    output:
        png=report(
            f"{RESULTS}/{{only}}{{experiment}}.png",
            caption="../report/figure.rst",
            category="Figures",
            labels={"result": "{experiment}", "form": "picture"},
        ),
        svg=f"{RESULTS}/{{only}}{{experiment}}.svg",
        csv=f"{RESULTS}/{{only}}{{experiment}}.csv",
        spec=f"{RESULTS}/{{only}}{{experiment}}.json",
    log:
        "logs/results/{only}{experiment}.log",
    wildcard_constraints:
        experiment=named(is_figure),
    localrule: True
    conda:
        ENVIRONMENT
    params:
        spec=lambda w: json.dumps(spec_of(w)),
        title=lambda w: config["experiments"][w.experiment]["title"],
    shell:
        "python -m pipeline figure --spec <(printf %s {params.spec:q}) --out {output.png:q}"
        " --log {log:q}"


rule report:
    input:
        results=[path for e in reported() for path in results_of(e)],
        gallery=[path for g in galleries() for path in gallery_files(g)],
        commented=str(BASE),
        code=sources("pipeline.results.front_page"),
        templates=data_of("results/templates"),
    output:
        report(
            f"{RESULTS}/report.html",
            caption="../report/report.rst",
            category="Front page",
        ),
    log:
        "logs/results/report.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        results=[f"{RESULTS}/{e}.json" for e in reported()],
        # functions, so that braces of the config, as in `a photo of {tags}`, are no wildcards
        galleries=lambda w: json.dumps(galleries()),
        config=lambda w: json.dumps(config),
        choices=lambda w: json.dumps(plan.choices(config, reported())),
    shell:
        "python -m pipeline report --results {params.results:q}"
        " --galleries <(printf %s {params.galleries:q}) --commented {input.commented:q}"
        " --config <(printf %s {params.config:q}) --choices <(printf %s {params.choices:q})"
        " --out {output:q} --log {log:q}"


rule verify:
    log:
        "logs/verify.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        artefacts=ARTEFACTS,
        results=RESULTS,
    shell:
        "python -m pipeline verify --artefacts {params.artefacts:q} --results {params.results:q}"
        " --log {log:q}"
