"""Broken plugins: (source, the check that it fails, what is replaced in the good one)."""

# ruff: noqa: E501 - a table, one plugin a line

LAMBDA = [("self.number = Mine.made", "self.number = Mine.made; self.f = lambda x: x")]
FIELD = "    class Params(vgbench.api.Params):\n"

COMMON = [
    ("planner", "loads", [("class Mine", "raise RuntimeError('broken')\n\n\nclass Mine")]),
    ("planner", "loads", [("def plan(", "def plans(")]),
    ("logger", "loads", [("class Mine:", "def Mine():")]),
    ("planner", "import_leaves_globals", [("class Mine", "torch.manual_seed(3)\n\n\nclass Mine")]),
    ("planner", "import_leaves_globals", [("class Mine", "torch.rand(1)\n\n\nclass Mine")]),
    ("planner", "docstring", [('"""The mean of good random sequences around the last plan."""', "")]),
    ("logger", "docstring", [('"""Counts stages."""', "")]),
    ("planner", "behaviour_version", [("api = 1", 'api = 1\n    version = "1.2"')]),
    ("planner", "declares_api", [("api = 1", "")]),
    ("planner", "params_documented", [(', description="steps planned"', "")]),
    ("planner", "params_frozen", [(FIELD, f"{FIELD}        model_config = ConfigDict(frozen=False)\n")]),
    ("planner", "params_frozen", [(FIELD, f'{FIELD}        model_config = ConfigDict(extra="ignore")\n')]),
    ("planner", "params_immutable", [(FIELD, f'{FIELD}        more: list[int] = Field([1], description="more")\n')]),
    ("planner", "params_defaults", [("Field(256, ge=1", "Field(0, ge=1")]),
    (
        "planner",
        "params_json",
        [
            (
                FIELD,
                f'{FIELD}        @field_serializer("samples")\n        def twice(self, v):\n            return 2 * v\n\n',
            )
        ],
    ),
    ("planner", "params_set", [(FIELD, f'{FIELD}        name: str = Field(" a", description="with a blank")\n')]),
    (
        "planner",
        "constructor",
        [
            (
                "self, params):\n        super().__init__(params)",
                "self, *args, **kwargs):\n        super().__init__(*args)",
            )
        ],
    ),
    ("planner", "constructor", [("self, params):", "self, params, size):")]),
    ("planner", "constructs", [("super().__init__(params)", "super().__init__(params); params.nothing")]),
]

OBJECTIVE = [
    ("declarations", [('"own"})', '"own", "heads"})')]),
    ("works", [("return Loss(value, ", "return (value, ")]),
    ("works", [("return Loss(value, ", "return Loss(value.detach(), ")]),
    ("works", [("square().mean()\n", "square()\n")]),
    ("finite", [("        return Loss", "        value = value + (0 * d).sqrt().sum()\n        return Loss")]),
    ("logs_detached", [("d.detach().mean()", "d.mean()")]),
    ("logs", [("d.detach().mean()", "d.detach()")]),
    ("logs_explained", [("            distance: mean", "            way: mean")]),
    ("trains_only_declared", [('"head", ', "")]),
    ("trains_all_declared", [('"own"})', '"own", "predictor"})')]),
    ("targets_detached", [("points[:, 1:].detach()", "points[:, 1:]")]),
    (
        "smallest_batch",
        [("        d = ", "        if len(points) < 3:\n            raise ValueError('few')\n        d = ")],
    ),
    ("shortest_window", [("        d = ", "        points[:, 2]\n        d = ")]),
    ("fits_distances", [("        d = ", "        model.distance.weight\n        d = ")]),
    ("inputs_untouched", [("        d = ", "        batch.actions.mul_(2.0)\n        d = ")]),
    ("falls", [("        return Loss", "        value = 2 * value.detach() - value\n        return Loss")]),
    ("deterministic", [("        return Loss", "        value = value + 1e-3 * self.number\n        return Loss")]),
    ("use_leaves_globals", [("        d = ", "        torch.rand(1)\n        d = ")]),
    (
        "state_dict",
        [
            ("self.number = Mine.made", "self.number = torch.rand(1)"),
            ("        return Loss", "        value = value + self.number.sum()\n        return Loss"),
        ],
    ),
    ("copies", LAMBDA),
]

DISTANCE = [
    (
        "works",
        [("self.climb(x, y).sum(-1)\n\n    def climb", "self.climb(x, y).sum(-1, keepdim=True)\n\n    def climb")],
    ),
    ("finite", [("self.climb(x, y).sum(-1)\n\n", "self.climb(x, y).sum(-1) + 0 * x.sum(-1).log()\n\n")]),
    ("dtype_kept", [("self.climb(x, y).sum(-1)\n\n", "self.climb(x, y).sum(-1).float()\n\n")]),
    ("non_negative", [("self.climb(x, y).sum(-1)\n\n", "(self.climb(x, y) - 0.1 * self.climb(y, x)).sum(-1)\n\n")]),
    ("zero_at_self", [("self.climb(x, y).sum(-1)\n\n", "self.climb(x, y).sum(-1) + 0.1\n\n")]),
    ("gradient_at_self", [("self.climb(x, y).sum(-1)\n\n", "self.climb(x, y).square().sum(-1).sqrt()\n\n")]),
    ("symmetric", [("levels = 2", "levels = 2\n    symmetric = True")]),
    ("asymmetric", [("(y - x).relu()", "(y - x).abs()")]),
    ("triangle", [("(y - x).relu()", "(y - x).relu().square()")]),
    ("prepared", [("self(z, target)", "self(target, z)")]),
    ("prepared", [("self(z, target)", "self(z.detach(), target)")]),
    ("rows", [("self.climb(x, y).sum(-1)\n\n", "self.climb(x, y).sum(-1) * (1 + 1e-3 * len(x))\n\n")]),
    ("levels", [("[..., half]", "[..., half].neg()")]),
    (
        "levels",
        [("    def forward", "    @property\n    def level_weights(self):\n        return 1, 2\n\n    def forward")],
    ),
    (
        "upper_bound",
        [("    def forward", "    @property\n    def upper_bound(self):\n        return 1.0\n\n    def forward")],
    ),
    ("inputs_untouched", [("        return lambda", "        goal.data.add_(1e-6)\n        return lambda")]),
    ("deterministic", [("softplus(self.weight)", "softplus(self.weight) * (1 + 1e-3 * self.number)")]),
    ("use_leaves_globals", [("        return (y - x)", "        torch.rand(1)\n        return (y - x)")]),
    (
        "state_dict",
        [("self.number = Mine.made", "self.number = torch.rand(1)"), ("(self.weight)", "(self.weight) * self.number")],
    ),
    ("copies", LAMBDA),
    ("constructs", [("super().__init__(params, dim)", "raise ValueError('never')")]),
]

OWN_NOISE = (
    "        noise = torch.randn(noise.shape[1:], generator=torch.Generator().manual_seed(0)).expand(noise.shape)\n"
)
PLANNER = [
    ("works", [('Plan(plan, {"kept": plan})', "plan")]),
    ("works", [('{"kept": plan}', '{"kept": plan, "n": plan.sum(dim=0)}')]),
    ("bounds", [("problem.action_set.clip(kept[:, None] + noise)", "kept[:, None] + 3 * noise")]),
    ("seeded", [("        kept = state", f"{OWN_NOISE}        kept = state")]),
    ("candidates", [("return self.params.samples", "return 8")]),
    ("candidates", [("    def plan", "    @property\n    def cost_calls(self):\n        return 0\n\n    def plan")]),
    (
        "candidates",
        [("    def plan", "    @property\n    def sequences_per_plan(self):\n        return 1\n\n    def plan")],
    ),
    ("bad_costs", [(".nan_to_num(torch.inf, torch.inf)", "")]),
    ("rows", [("        kept = state", "        noise = noise - noise.mean(dim=0)\n        kept = state")]),
    (
        "horizon_one",
        [
            (
                "        noise = ",
                "        if problem.horizon == 1:\n            raise ValueError('short')\n        noise = ",
            )
        ],
    ),
    ("warm_start", [("[:, problem.executed:][:, :problem.horizon]", "[:, problem.executed:]")]),
    (
        "inputs_untouched",
        [("        return Plan", "        if state:\n            state['kept'].mul_(1.001)\n        return Plan")],
    ),
    ("beats_random", [("plan = (weights[..., None, None] * actions).sum(dim=1)", "plan = actions[:, 0]")]),
    ("deterministic", [("kept[:, None] + noise", "kept[:, None] + noise * (1 + 1e-3 * self.number)")]),
    ("use_leaves_globals", [("        noise = ", "        torch.rand(1)\n        noise = ")]),
    ("copies", LAMBDA),
]

ENVIRONMENT = [
    ("specification", [("success_radius = 0.5", "success_radius = 0.0")]),
    ("works", [("torch.stack(states, dim=1)", "torch.stack(states[:-1], dim=1)")]),
    ("works", [(".abs().squeeze(-1)\n\n    def cost", ".abs()\n\n    def cost")]),
    ("step_pure", [("        move = ", "        action.mul_(1 + 1e-6)\n        move = ")]),
    ("step_rows", [("clip(action)", "clip(action) + 1e-3 * len(action)")]),
    ("actions_clipped", [("self.spec.actions.clip(action)", "action")]),
    ("noise_used", [("actions=Box((-1.0,), (1.0,))", "actions=Box((-1.0,), (1.0,)), noise_dim=1")]),
    ("observation_of_state", [('[state["x"], state["layout"]]', '[state["x"] + 1e-2 * len(state["x"]), state["layout"]]')]),
    ("no_tunnelling", [("clip(action)", "clip(action) * 3")]),
    ("data_seeded", [("rng = np.random.default_rng(seed)\n        actions", "rng = np.random.default_rng(0)\n        actions")]),
    ("data_within_set", [("rng.uniform(-1, 1,", "rng.uniform(-2, 2,")]),
    ("data_follow_steps", [("layout}, actions, {", "layout}, actions[:, ::-1].copy(), {")]),
    ("data_card", [('{"n": trajectories}', '{"n": np.float32(trajectories)}')]),
    ("tasks_seeded", [("rng = np.random.default_rng(seed)\n        ends", "rng = np.random.default_rng(0)\n        ends")]),
    ("tasks_unsolved", [("rng.uniform([7, 0], [10, 3]", "rng.uniform([0, 0], [10, 10]")]),
    ("tasks_fit_data", [('return {"share": 0.0}', "raise ValueError('these are not mine')")]),
    (
        "success_at_goal",
        [("    def cost", "    def success(self, state, goal):\n        return (self.goal_distance(state, goal) - 0.2).abs() < 0.2\n\n    def cost")],
    ),
    ("goal_distance", [(".abs().squeeze(-1)\n\n    def cost", ".squeeze(-1)\n\n    def cost")]),
    ("capabilities", [('"expert"', '"experts"')]),
    ("capabilities", [("def labels(self, data)", "def labels(self)")]),
    ("cost_to_go", [(".abs().squeeze(-1)\n\n    def expert", ".abs().squeeze(-1) + 1.0\n\n    def expert")]),
    ("expert", [('clip(goal["x"] - state["x"])', 'clip(state["x"] - goal["x"])')]),
    ("state_grid", [("torch.ones(len(index), 1)", "0.5 * torch.ones(len(index), 1)")]),
    ("drawing", [('("near", "far")', '("near",)')]),
    ("deterministic", [(".abs().squeeze(-1)\n\n    def cost", ".abs().squeeze(-1) + 1e-6 * self.number\n\n    def cost")]),
    ("use_leaves_globals", [("        rng = np.random.default_rng(seed)\n        actions", "        rng = np.random.default_rng(seed)\n        np.random.rand()\n        actions")]),
    ("copies", LAMBDA),
]  # fmt: skip

NETWORK = [
    ("works", [("nn.Linear(width, out)", "nn.Linear(width, out + 1)")]),
    ("gradient", [("        self.first", "        self.spare = nn.Linear(2, 2)\n        self.first")]),
    ("inputs_used", [("names = list(shapes.observations)", "names = list(shapes.observations)[:1]")]),
    ("rows", [("x = torch.relu(self.first(x))", "x = torch.relu(self.first(x)) * x.abs().mean()")]),
    ("fresh_weights", [("Mine.made += 1", "Mine.made += 1; torch.manual_seed(0)")]),
    (
        "training_leaves_globals",
        [("        self.first", "        self.drop = nn.Dropout(0.1)\n        self.first"), ("self.last(x)", "self.last(self.drop(x))")],
    ),
    ("inputs_untouched", [("        x = torch.cat", "        observations['velocity'].data.add_(1e-6)\n        x = torch.cat")]),
    ("deterministic", [("self.last(x)", "self.last(x) * (1 + 1e-3 * self.number)")]),
    ("use_leaves_globals", [("        x = torch.cat", "        torch.rand(1)\n        x = torch.cat")]),
    ("state_dict", [("self.names, self.number = names, Mine.made", "self.names, self.number = names, torch.rand(1)"), ("self.last(x)", "self.last(x) * self.number")]),
    ("copies", [("self.names, self.number = names, Mine.made", "self.names, self.number = names, lambda x: x")]),
    ("constructs", [('role = "encoder"', 'role = "decoder"')]),
]  # fmt: skip

HEAD = [("leading_dimensions", [("self.layer(latents)", "self.layer(latents.flatten(0, -2))")])]

HOOK = [
    ("constructs", [("def __init__(self)", "def __init__(self, folder)")]),
    ("known_hooks", [("vgbench_stage_started", "vgbench_stage_begun")]),
    ("known_hooks", [("    @hookimpl\n    def vgbench_stage_started", "    def stage_started")]),
    ("marked", [("        self.stages += 1", "        self.stages += 1\n\n    def vgbench_run_ended(self):\n        pass")]),
    ("arguments", [("(self, stage)", "(self, stagee)")]),
]  # fmt: skip

BROKEN = [
    *COMMON,
    *[("objective", *row) for row in OBJECTIVE],
    *[("distance", *row) for row in DISTANCE],
    *[("planner", *row) for row in PLANNER],
    *[("environment", *row) for row in ENVIRONMENT],
    *[("network", *row) for row in NETWORK],
    *[("head", *row) for row in HEAD],
    *[("logger", *row) for row in HOOK],
]
