"""How models are named: after their recipe, a `models` entry, with -seedN behind it for seeds other than 0."""


def model_name(recipe, seed):
    return recipe if seed == 0 else f"{recipe}-seed{seed}"


def recipe_of(model):
    return model.split("-seed")[0]


def seed_of(model):
    return int((model.split("-seed") + ["0"])[1])
