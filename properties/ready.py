"""What every worker process needs, loaded once in the process that they are forked from."""

from elbound.properties import campaign as campaign
from elbound.properties.experiment import experiments
from elbound.theory.catalogue import catalogue

catalogue()
experiments()
