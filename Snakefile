# The way in: snakemake --cores N runs the whole workflow with config/config.yaml. No character here
# means anything to a shell: the plugin of Google Batch hands the file through one.
include: "workflow/Snakefile"


rule default:
    default_target: True
    input:
        rules.all.input,
