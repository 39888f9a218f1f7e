import yaml


def presets(name):
    """Configuration files of the preset ``name`` (None: of none), and of what each rests on."""
    while name:
        study = Path(workflow.basedir) / "config" / f"{name}.yaml"
        if not study.is_file():
            known = ", ".join(sorted(file.stem for file in study.parent.glob("*.yaml")))
            raise WorkflowError(f"config: preset is {name!r}, which doesn't exist; it must be one of: {known}")
        yield str(study)
        name = yaml.safe_load(study.read_text()).get("preset")
