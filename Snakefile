include: "workflow/Snakefile"


# What `snakemake` without a target makes: an included file cannot say so.
rule default:
    default_target: True
    input:
        rules.all.input,
    localrule: True
