# The way in: `snakemake --cores N` runs the whole workflow with config/config.yaml.
include: "workflow/Snakefile"


rule default:
    default_target: True
    input:
        rules.all.input,
