from snakemake.utils import min_version

min_version("9.0")


configfile: "config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/download.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/hashing.smk"
include: "workflow/rules/results.smk"


rule all:
    input:
        every_result(),
        f"{RESULTS}/report.html",
    localrule: True
