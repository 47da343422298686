"""Layer by layer, slopes and curvatures of a deep Gaussian VAE add up to a true and vacuous bound on its Hessian.

A map of the parameters has size m, slope J and curvature H. An affine layer of spectral norm rho, then an activation
with |f'| <= c_1 and |f''| <= c_2, pass them on as

    J_u^2 = m^2 + 1 + rho^2 J^2,   H_u = J + rho H,   H_f = c_2 J_u^2 + c_1 H_u,

the latent sample as J_z = J_mu + (1/2) s |eps| J_l and H_z = H_mu + s |eps| (H_l / 2 + J_l^2 / 4), s = sqrt(D_max), and

    |Hess F|  <=  [E J_g^2 + (x_max + m_g) E H_g] / sigma_x2
                  + beta [J_mu^2 + m_mu H_mu + (D_max J_l^2 + |e^l - 1|_2 H_l) / 2].

Bounds of this kind for feed-forward networks, in all parameters, are those of Herrera, Krach and Teichmann (2020), of
whom we have read the abstract; the form of the lines, the latent sample and the sum are ours.
Every line is attained on its own map, and the sum nearly so on a chain of width one; at random weights of unit scale
the bound exceeds the Hessian by 3, 4 and 5 decades (medians) for 1, 2 and 3 hidden layers on each side.

Units: nats per squared unit of the parameters.
"""

from sympy import Ge, Le, sqrt

from elbound.theory.claim import Claim, Standing
from elbound.theory.settings import DEEP_LATENT, DEEP_LAYER, DEEP_POINT, UNIT_SCALE
from elbound.theory.symbols import (
    D_max,
    H_a,
    H_f,
    H_g,
    H_l,
    H_mu,
    H_u,
    H_z,
    J_a,
    J_g2,
    J_l,
    J_mu,
    J_u,
    J_z,
    beta,
    c_1,
    c_2,
    depth,
    eps_norm,
    expm1_max,
    expm1_norm,
    hessian_deep,
    m_a,
    m_g,
    m_mu,
    rho,
    sigma_x2,
    x_max,
)

raised_slope2 = m_a**2 + 1 + rho**2 * J_a**2
raised_curvature = J_a + rho * H_a
scale = sqrt(D_max) * eps_norm

fit_slope, fit_curvature = J_g2 / sigma_x2, (x_max + m_g) * H_g / sigma_x2
code = beta * (J_mu**2 + m_mu * H_mu)
width = beta / 2 * (D_max * J_l**2 + expm1_norm * H_l)
layerwise_smoothness = fit_slope + fit_curvature + code + width

SLOPE = Claim(
    DEEP_LAYER,
    Le(J_u, sqrt(raised_slope2)),
    title="An affine layer adds the squares of its own slope and of the slope below times its norm.",
    standing=Standing.PROVED,
    source="herrera-krach-teichmann-2020",
    proof="""Along (A', b', theta') the derivative of A a + b is A' a + b' + A a', of norm at most
sqrt(m^2 + 1) |(A', b')| + rho J |theta'|; Cauchy-Schwarz.""",
    wrong={
        "offset forgotten": Le(J_u, sqrt(m_a**2 + rho**2 * J_a**2)),
        "slope below forgotten": Le(J_u, sqrt(m_a**2 + 1)),
    },
    attained=0.999999,
)

CURVATURE = Claim(
    DEEP_LAYER,
    Le(H_u, raised_curvature),
    title="An affine layer has the curvature J + rho H of the map below it.",
    standing=Standing.PROVED,
    source="herrera-krach-teichmann-2020",
    proof="""The second derivative is 2 A' a' + A a'', and 2 |A'| J |theta'| <= J (|A'|^2 + |theta'|^2).
Attained where the map below is linear.""",
    wrong={"J dropped": Le(H_u, rho * H_a), "J halved": Le(H_u, J_a / 2 + rho * H_a)},
    attained=0.999999,
)

ACTIVATION = Claim(
    DEEP_LAYER,
    Le(H_f, c_2 * raised_slope2 + c_1 * raised_curvature),
    title="An activation turns squared slope into curvature at its largest second derivative.",
    standing=Standing.PROVED,
    source="herrera-krach-teichmann-2020",
    proof="The second derivative of f(u) is f''(u) u'^2 + f'(u) u'', coordinate by coordinate.",
    wrong={
        "curvature of the activation dropped": Le(H_f, c_1 * raised_curvature),
        "curvature below dropped": Le(H_f, c_2 * raised_slope2),
    },
    attained=0.9,
)

LATENT_SLOPE = Claim(
    DEEP_LATENT,
    Le(J_z, J_mu + scale * J_l / 2),
    title="The latent sample moves with the mean and half the scaled log-variance.",
    standing=Standing.PROVED,
    proof="The derivative of mu + e^(l/2) eps is mu' + e^(l/2) eps l' / 2.",
    wrong={"log-variance taken as fixed": Le(J_z, J_mu)},
    attained=0.999999,
)

LATENT_CURVATURE = Claim(
    DEEP_LATENT,
    Le(H_z, H_mu + scale * (H_l / 2 + J_l**2 / 4)),
    title="The latent sample's curvature holds a quarter of the log-variance's squared slope.",
    standing=Standing.PROVED,
    proof="The second derivative of e^(l/2) is e^(l/2) (l'' / 2 + l'^2 / 4).",
    wrong={
        "squared slope dropped": Le(H_z, H_mu + scale * H_l / 2),
        "an eighth for a quarter": Le(H_z, H_mu + scale * (H_l / 2 + J_l**2 / 8)),
    },
    attained=0.999999,
)

DEEP_LAYERWISE = Claim(
    DEEP_POINT,
    Le(hessian_deep, layerwise_smoothness),
    standing=Standing.PROVED,
    source="herrera-krach-teichmann-2020",
    proof="""The lines of the recursion bound mu, l and g(z). The reconstruction term has second derivative
(|g'|^2 + <g - x, g''>) / sigma_x2, the Kullback-Leibler term beta (|mu'|^2 + <mu, mu''> + <e^l, l'^2> / 2 +
<e^l - 1, l''> / 2); Cauchy-Schwarz over the latent coordinates takes the 2-norm of e^l - 1.""",
    wrong={
        "halved": Le(hessian_deep, layerwise_smoothness / 2),
        "curvature of the decoder dropped": Le(hessian_deep, fit_slope + code + width),
        "largest entry for the 2-norm of e^l - 1": Le(
            hessian_deep, fit_slope + fit_curvature + code + beta / 2 * (D_max * J_l**2 + expm1_max * H_l)
        ),
    },
    papers={"A-explicit-dependence": "carries"},
    attained=0.9,
)

DECADES = Claim(
    DEEP_POINT,
    Ge(layerwise_smoothness, 10 ** (depth / 2) * hessian_deep),
    assuming=(UNIT_SCALE,),
    title="At unit scale the layerwise bound loses half a decade or more in every layer.",
    standing=Standing.CONJECTURE,
    proof="""Found, not proved: every line takes the worst direction of its own map, and random layers are nowhere
near aligned with one another. Medians of 3.0, 4.1 and 5.5 decades for depth 1, 2 and 3, least 1.6, 2.4 and 2.6.""",
    wrong={"within one decade at any depth": Le(layerwise_smoothness, 10 * hessian_deep)},
    papers={"A-explicit-dependence": "qualifies"},
)
